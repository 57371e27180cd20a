/**
 * A real Chromium: the one that `KGENTS_TEST_BROWSER` names, one on the PATH, or the one that comes as a package. Where none
 * starts, the tests that need one are skipped, and the reason is printed.
 */
import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import packaged from '@sparticuz/chromium'
import { chromium, type Browser } from 'playwright-core'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
/** Tests may run as root, where Chromium has no sandbox; all that it opens is ours. */
const ARGS = ['--no-sandbox', '--disable-gpu']

/** Starts a browser; undefined, with the reason printed, where there is none. */
export async function startBrowser(): Promise<Browser | undefined> {
  try {
    return await chromium.launch({ executablePath: await findBrowser(), args: ARGS })
  } catch (error) {
    process.stderr.write(
      `Browser tests are skipped: no Chromium starts here: ${String(error).split('\n', 1)[0]}\n`,
    )
    return undefined
  }
}

async function findBrowser(): Promise<string> {
  const named = process.env['KGENTS_TEST_BROWSER']
  if (named !== undefined) return named
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  for (const path of folders.flatMap((folder) => NAMES.map((name) => join(folder, name)))) {
    if (await isProgram(path)) return path
  }
  return packaged.executablePath()
}

function isProgram(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}
