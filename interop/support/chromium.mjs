// How Chromium is started: where it is, and without anything that asks the network for something.

/** Options of playwright's `launch` and `launchPersistentContext`. */
export const launching = {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
};
