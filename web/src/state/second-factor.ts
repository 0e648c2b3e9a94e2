// The second factor of the reader's account: an authenticator app, and recovery codes for whoever has
// lost it.

import { api, dataOf, Problem } from "../api/client";
import type { components } from "../api/schema";

export type Factor = { isOn: true; codesLeft: number } | Offer;
// What a new app needs. `url`: for a QR code.
export type Offer = { isOn: false; secret: string; url: string };

// Throws `Problem`; with status 409 if an address of the account is not verified.
export async function loadFactor(): Promise<Factor> {
  const offer = await findOffer();
  if (offer) return offer;
  const { data } = await dataOf(api.GET("/_allauth/app/v1/account/authenticators"));
  const codes = data.find((one) => one.type === "recovery_codes");
  return { isOn: true, codesLeft: codes?.unused_code_count ?? 0 };
}

// Each call makes a new secret. Undefined: an app is in use.
async function findOffer(): Promise<Offer | undefined> {
  try {
    await dataOf(api.GET("/_allauth/app/v1/account/authenticators/totp"));
    return undefined;
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.status !== 404) throw problem;
    const { meta } = problem.document as components["schemas"]["AuthenticatorOffer"];
    return { isOn: false, secret: meta.secret, url: meta.totp_url };
  }
}

// `code`: what the new app shows. Returns the recovery codes. Throws `Problem`.
export async function turnOn(code: string): Promise<string[]> {
  await dataOf(api.POST("/_allauth/app/v1/account/authenticators/totp", { body: { code } }));
  const { data } = await dataOf(api.GET("/_allauth/app/v1/account/authenticators/recovery-codes"));
  return data.unused_codes;
}

// New recovery codes; the old ones open nothing any more. Throws `Problem`.
export async function makeNewCodes(): Promise<string[]> {
  const { data } = await dataOf(api.POST("/_allauth/app/v1/account/authenticators/recovery-codes"));
  return data.unused_codes;
}

// Throws `Problem`.
export async function turnOff(): Promise<void> {
  await dataOf(api.DELETE("/_allauth/app/v1/account/authenticators/totp"));
}
