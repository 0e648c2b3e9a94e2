// Some changes of an account need a proof of who makes them, not older than some minutes. The reader is
// asked for it in a dialog (parts/Reauthentication.svelte); the request that needs it waits.

import { api, dataOf, Problem, whenProofIsNeeded, type Proof } from "../api/client";
import { t } from "../i18n/language";

class Reauthentication {
  // What the reader is asked for: one of these. Empty: nothing.
  proofs = $state.raw<Proof[]>([]);
  #asked: Promise<void> | undefined;
  #done: () => void = () => {};
  #refuse: (problem: Problem) => void = () => {};

  // Waits for the proof. Throws `Problem` if the reader gives none. All who ask meanwhile wait for the
  // same one.
  ask(proofs: Proof[]): Promise<void> {
    this.#asked ??= new Promise<void>((done, refuse) => {
      this.#done = done;
      this.#refuse = refuse;
      this.proofs = proofs;
    }).finally(() => {
      this.proofs = [];
      this.#asked = undefined;
    });
    return this.#asked;
  }

  // Throws `Problem` if it is the wrong one.
  async provePassword(password: string): Promise<void> {
    await dataOf(api.POST("/_allauth/app/v1/auth/reauthenticate", { body: { password } }));
    this.#done();
  }

  // Throws `Problem` if it is the wrong one.
  async proveCode(code: string): Promise<void> {
    await dataOf(api.POST("/_allauth/app/v1/auth/2fa/reauthenticate", { body: { code } }));
    this.#done();
  }

  cancel(): void {
    const problem = { type: "about:blank", title: "", status: 401, detail: t.notConfirmed };
    this.#refuse(new Problem(401, problem));
  }
}

export const reauthentication = new Reauthentication();

whenProofIsNeeded((proofs) => reauthentication.ask(proofs));
