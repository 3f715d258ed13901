import { describe, expect, it } from 'vitest';
import { findChromium } from '../../scripts/chromium.js';

const nowhere = async (): Promise<null> => null;
const here = async (): Promise<string> => '/here/chromium';
const mustNotLook = async (): Promise<never> => {
  throw new Error('looked');
};

describe('findChromium', () => {
  it('takes what the environment names, before anything else', async () => {
    const env = { PROXYWHIRL_CHROMIUM: process.execPath, PLAYWRIGHT_CHROMIUM_EXECUTABLE_PATH: '/nowhere' };
    expect((await findChromium(env, [mustNotLook])).executablePath).toBe(process.execPath);
  });

  it.each(['PROXYWHIRL_CHROMIUM', 'PLAYWRIGHT_CHROMIUM_EXECUTABLE_PATH'])(
    'does not fall back when %s names nothing',
    async (name) => {
      await expect(findChromium({ [name]: '/nowhere' }, [here])).rejects.toThrow(name);
    },
  );

  it('takes the first place that has one, with arguments that send loopback through the proxy', async () => {
    const found = await findChromium({}, [nowhere, here, mustNotLook]);
    expect(found.executablePath).toBe('/here/chromium');
    expect(found.args).toContain('--proxy-bypass-list=<-loopback>');
  });

  it('names the fix when there is none', async () => {
    await expect(findChromium({}, [nowhere])).rejects.toThrow('npx playwright install chromium');
  });
});
