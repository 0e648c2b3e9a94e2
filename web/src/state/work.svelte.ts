// What a button does. It does one thing at a time, and tells what was refused.

import { tellProblem } from "./notices.svelte";

export class Work {
  isUnderWay = $state(false);

  async do(work: () => Promise<void>): Promise<void> {
    this.isUnderWay = true;
    try {
      await work();
    } catch (error) {
      tellProblem(error);
    } finally {
      this.isUnderWay = false;
    }
  }
}
