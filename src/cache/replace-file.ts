import { open, rename, rm } from 'node:fs/promises';

/**
 * The new text or the old one, whenever the process ends; for its owner only.
 * @throws the errors of `node:fs`
 */
export async function replaceFile(path: string, text: string): Promise<void> {
  const draft = `${path}.${process.pid}.tmp`;
  // What a killed process of the same id left, or somebody else's link.
  await rm(draft, { force: true });
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
}
