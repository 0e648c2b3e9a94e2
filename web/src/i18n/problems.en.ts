// What is wrong with a field, or what else has gone wrong, by the code in the API's answer.
// "field.code" is about one field only. `n` is the limit, from limits.json.

import { counted } from "./numbers";

const loggedOut = "You are not logged in any more. Log in again.";
const notAllowed = "You may not do this.";
const notYourPassword = "This is not your password.";
const tooManyRequests = "Too many requests. Try again in a while.";
const unavailable = "The server cannot do this now. Try again in a while.";
const usernameTaken = "This username is taken. Choose another.";
const emailTaken = "Another account has this address.";
const wrongCode = "This code is not valid, or not any more. Use a new one.";
const wrongNameOrPassword = "The name or the password is not correct.";
const tooLarge = "This file is too large. Make the picture smaller, or the video shorter.";
const unreadable = "This file cannot be read. Choose another picture or video.";
const unusableCharacter = "Remove the character that cannot be seen, or turns the text around.";

export const problems = {
  // Fields
  required: "Fill this in.",
  blank: "Write something that can be seen.",
  max_length: (n: number) => `Write at most ${counted(n, "character", "characters")}.`,
  several_lines: "Write this in one line.",
  control_character: unusableCharacter,
  null_characters_not_allowed: unusableCharacter,
  surrogate_characters_not_allowed: unusableCharacter,
  encoding: "This text is damaged. Write it again.",

  // People
  block_limit: "You block very many accounts already. End some blocks first.",
  mute_limit: "You mute very many accounts already. End some mutes first.",
  list_limit: "There are very many accounts on this list already. Take some off it first.",

  // Accounts
  "username.invalid": "Use letters from a to z, digits, dots and underscores, and no dot first.",
  "username.conflict": usernameTaken,
  username_taken: usernameTaken,
  reserved: "This username is reserved. Choose another.",
  too_many_renames:
    "You have changed your username too often. Take an earlier one back, or wait some days.",
  "email.invalid": "This is no e-mail address.",
  "email.conflict": emailTaken,
  email_taken: emailTaken,
  duplicate_email: "Your account has this address already.",
  max_email_addresses: (n: number) =>
    `An account has at most ${counted(n, "address", "addresses")}.`,
  cannot_remove_primary_email: "Your main address cannot be removed.",
  unverified_primary_email: "Verify this address first.",
  unknown_email: "Your account does not have this address any more.",
  password_too_short: (n: number) =>
    `This password is too short. It has at least ${counted(n, "character", "characters")}.`,
  password_too_common: "This password is too common. Choose another.",
  password_entirely_numeric: "A password has more than digits.",
  password_too_similar: "This password is too similar to your name or address.",
  username_password_mismatch: wrongNameOrPassword,
  email_password_mismatch: wrongNameOrPassword,
  enter_current_password: notYourPassword,
  incorrect_password: notYourPassword,
  wrong_password: notYourPassword,
  incorrect_code: wrongCode,
  wrong_code: wrongCode,
  unverified_email: "First verify your e-mail addresses, or remove those that are not verified.",
  add_email_blocked: "While the second factor is on, no address can be added.",
  log_in_again: "The password has changed since this log-in began. Log in again.",
  account_deleted: "This account is being deleted.",
  account_suspended:
    "This account is suspended. Write to the people who run this site if you think that this is a mistake.",
  staff_account: "An account of somebody who runs this site cannot be deleted.",

  // People, posts, comments
  oneself: "Nobody follows themselves.",
  following_limit: "You follow as many people as one may. Unfollow some first.",
  comments_closed: "The author has closed this post for comments.",
  comments_limited: "The author does not let everybody comment on this post.",
  changed_comment: "The text has been changed. Read it again before you approve it.",
  held_comment: "The comment to which this replies waits for your approval. Approve it first.",
  unknown_comment: "The comment to which you reply is gone.",
  reply_to_a_reply: "Nobody replies to a reply.",
  too_many_waiting_posts:
    "Too many of your posts wait for their files. Wait until one is published, or delete one.",
  published: "This post is published already.",

  // Pictures and videos
  too_large: tooLarge,
  too_expensive: tooLarge,
  unsupported_media_type: unreadable,
  not_processed: unreadable,
  other_content: unreadable,
  empty: "This file is empty.",
  upload_incomplete: "The file has not arrived. Try again.",
  media_not_ready: "A file could not be processed. Remove it.",
  unknown_media: "A file is gone. Remove it, and add it again.",
  used_media: "A file is in another post already. Remove it, and add it again.",
  media_in_use: "This file is in use.",

  // Everything else
  unauthorized: loggedOut,
  not_authenticated: loggedOut,
  authentication_failed: loggedOut,
  gone: loggedOut,
  forbidden: notAllowed,
  permission_denied: notAllowed,
  not_found: "This does not exist, or not any more.",
  private_account: "This account is private.",
  conflict: "Something has changed meanwhile. Load the page anew.",
  too_many_requests: tooManyRequests,
  throttled: tooManyRequests,
  overloaded: unavailable,
  unavailable,
  service_unavailable: unavailable,
  internal_server_error: "Something broke on the server. Try again in a while.",
};
