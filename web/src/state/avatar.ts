// The reader's picture.

import { api, dataOf } from "../api/client";
import type { components } from "../api/schema";
import { loadMe } from "../api/session.svelte";

// Null removes it. Throws `Problem`.
export async function changeAvatar(picture: Blob | null): Promise<void> {
  const avatar = picture && (await upload(picture)).id;
  await dataOf(api.PATCH("/api/v1/users/me", { body: { avatar } }));
  await loadMe();
}

function upload(picture: Blob): Promise<components["schemas"]["ReadyMedia"]> {
  const form = new FormData();
  form.set("file", picture, "avatar.jpg");
  // The types have a text where the form has a file.
  const body = { file: "", alt: "" };
  return dataOf(api.POST("/api/v1/media", { body, bodySerializer: () => form }));
}
