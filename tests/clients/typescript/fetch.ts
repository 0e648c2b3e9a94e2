// The five use cases with openapi-fetch, on the types of openapi-typescript, without a cast.
// `node build/fetch.js ORIGIN PICTURE SUFFIX`: two people with new names sign up at ORIGIN.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import createClient from "openapi-fetch";
import type { components, paths } from "./generated/paths.js";

const [origin = "", picture = "", suffix = ""] = process.argv.slice(2);
const password = "low-tide-at-dawn";
type Problem = components["schemas"]["ProblemDocument"];

function expected<T>(answer: { data?: T; error?: Problem }): T {
  if (answer.data === undefined) {
    throw new Error(answer.error?.detail ?? "an answer without content");
  }
  return answer.data;
}

async function loggedIn(username: string) {
  const client = createClient<paths>({ baseUrl: origin });
  const email = `${username}@example.org`;
  const body = { username, email, password };
  const signedUp = expected(await client.POST("/_allauth/app/v1/auth/signup", { body }));
  assert.equal(signedUp.data.user.username, username);
  const login = { username, password };
  const { meta } = expected(await client.POST("/_allauth/app/v1/auth/login", { body: login }));
  return createClient<paths>({
    baseUrl: origin,
    headers: { Authorization: `Bearer ${meta.access_token}` },
  });
}

const name = `author_${suffix}`;
const [author, reader] = [await loggedIn(name), await loggedIn(`reader_${suffix}`)];
const user = { params: { path: { username: name } } };
assert(expected(await reader.PUT("/api/v1/users/{username}/follow", user)).following);

// Create a post.
const upload = await author.POST("/api/v1/media", {
  body: { file: new Blob([new Uint8Array(await readFile(picture))]), alt: "A beach" },
  bodySerializer(body) {
    const form = new FormData();
    form.append("file", body.file, "picture.jpg");
    form.append("alt", body.alt ?? "");
    return form;
  },
});
const media = expected(upload);
const newPost = { caption: "Low tide.", media: [media.id] };
const post = expected(await author.POST("/api/v1/posts", { body: newPost }));
assert.deepEqual(post.media.map((one) => one.id), [media.id]);

// View the home timeline, and another user's.
const home = expected(await reader.GET("/api/v1/timeline/home"));
assert(home.results.some((one) => one.id === post.id));
const profile = expected(await reader.GET("/api/v1/users/{username}/timeline", user));
assert.deepEqual(profile.results.map((one) => one.id), [post.id]);

// Comment on a post.
const params = { path: { post_id: post.id } };
const path = "/api/v1/posts/{post_id}/comments";
const comment = expected(await reader.POST(path, { params, body: { text: "Lovely." } }));
const answer = { text: "So it is.", reply_to: comment.id };
assert.equal(expected(await author.POST(path, { params, body: answer })).reply_to, comment.id);

// Like a post.
const liked = expected(await reader.PUT("/api/v1/posts/{post_id}/like", { params }));
assert.deepEqual([liked.liked, liked.counts.likes], [true, 1]);
const shown = expected(await reader.GET("/api/v1/posts/{post_id}", { params }));
assert.deepEqual([shown.viewer.liked, shown.counts.comments], [true, 2]);

// What is wrong is said in the same form everywhere.
const missing = { params: { path: { post_id: "1" } } };
const { error } = await reader.GET("/api/v1/posts/{post_id}", missing);
assert.deepEqual([error?.status, error?.type], [404, "/problems/not-found"]);
console.log(post.id);
