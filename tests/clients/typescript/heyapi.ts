// The five use cases with the client of @hey-api/openapi-ts, without a cast.
// `node build/heyapi.js ORIGIN PICTURE SUFFIX`: two people with new names sign up at ORIGIN.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createClient } from "./generated/heyapi/client/index.js";
import * as api from "./generated/heyapi/index.js";

const [origin = "", picture = "", suffix = ""] = process.argv.slice(2);
const password = "low-tide-at-dawn";

async function loggedIn(username: string) {
  const anybody = { client: createClient({ baseUrl: origin }), throwOnError: true } as const;
  const email = `${username}@example.org`;
  const signedUp = await api.accountsAuthSignupPost({
    ...anybody,
    body: { username, email, password },
  });
  assert.equal(signedUp.data.data.user.username, username);
  const { data } = await api.accountsAuthLoginPost({ ...anybody, body: { username, password } });
  const client = createClient({ baseUrl: origin, auth: data.meta.access_token });
  return { client, throwOnError: true } as const;
}

const name = `author_${suffix}`;
const [author, reader] = [await loggedIn(name), await loggedIn(`reader_${suffix}`)];
const user = { path: { username: name } };
assert((await api.usersFollowUpdate({ ...reader, ...user })).data.following);

// Create a post.
const file = new File([new Uint8Array(await readFile(picture))], "picture.jpg");
const media = (await api.mediaCreate({ ...author, body: { file, alt: "A beach" } })).data;
const newPost = { caption: "Low tide.", media: [media.id] };
const post = (await api.postsCreate({ ...author, body: newPost })).data;
assert.deepEqual(post.media.map((one) => one.id), [media.id]);

// View the home timeline, and another user's.
const home = (await api.timelineHomeRetrieve(reader)).data;
assert(home.results.some((one) => one.id === post.id));
const profile = (await api.usersTimelineRetrieve({ ...reader, ...user })).data;
assert.deepEqual(profile.results.map((one) => one.id), [post.id]);

// Comment on a post.
const on = { path: { post_id: post.id } };
const comment = (await api.postsCommentsCreate({ ...reader, ...on, body: { text: "Lovely." } })).data;
const answer = { text: "So it is.", reply_to: comment.id };
const reply = (await api.postsCommentsCreate({ ...author, ...on, body: answer })).data;
assert.equal(reply.reply_to, comment.id);

// Like a post.
const liked = (await api.postsLikeUpdate({ ...reader, ...on })).data;
assert.deepEqual([liked.liked, liked.counts.likes], [true, 1]);
const shown = (await api.postsRetrieve({ ...reader, ...on })).data;
assert.deepEqual([shown.viewer.liked, shown.counts.comments], [true, 2]);

// What is wrong is said in the same form everywhere.
const { error } = await api.postsRetrieve({ client: reader.client, path: { post_id: "1" } });
assert.deepEqual([error?.status, error?.type], [404, "/problems/not-found"]);
console.log(post.id);
