// Skipping, with a printed reason: `SKIP name: reason`, which the test runner counts.

/** Thrown where this machine cannot show what a test is about. */
export class Skip extends Error {}

/** Runs a test that needs root, and may throw Skip. */
export async function orSkip(name: string, test: () => Promise<void>): Promise<void> {
  try {
    if (process.getuid?.() !== 0) throw new Skip('needs root');
    await test();
  } catch (error) {
    if (!(error instanceof Skip)) throw error;
    console.log(`SKIP ${name}: ${error.message}`);
  }
}
