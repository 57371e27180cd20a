/** Writes the dashboards as the JSON that Grafana reads, into the component `monitoring-rules`. */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { dashboards } from './dashboards.ts'
import { toGrafana } from './panels.ts'

const FOLDER = join(import.meta.dirname, '../manifests/components/monitoring-rules/dashboards')
const COMMAND = 'node knative/observability/render.ts'

/** The text of each file, by its name. */
export function renderDashboards(): Record<string, string> {
  return Object.fromEntries(
    dashboards.map((dashboard) => [
      `${dashboard.name}.json`,
      `${JSON.stringify(toGrafana(dashboard), undefined, 2)}\n`,
    ]),
  )
}

async function findStale(files: Readonly<Record<string, string>>): Promise<string[]> {
  const present = await readdir(FOLDER).catch(() => [])
  const stale = present.filter((name) => !Object.hasOwn(files, name))
  for (const [name, text] of Object.entries(files)) {
    const committed = await readFile(join(FOLDER, name), 'utf8').catch(() => undefined)
    if (committed !== text) stale.push(name)
  }
  return stale
}

async function writeAll(files: Readonly<Record<string, string>>): Promise<void> {
  await rm(FOLDER, { recursive: true, force: true })
  await mkdir(FOLDER, { recursive: true })
  for (const [name, text] of Object.entries(files)) await writeFile(join(FOLDER, name), text)
}

if (import.meta.main) {
  const files = renderDashboards()
  if (process.argv.includes('--check')) {
    const stale = await findStale(files)
    if (stale.length > 0) {
      process.stderr.write(`Stale dashboards: ${stale.join(', ')}. Run: ${COMMAND}\n`)
      process.exitCode = 1
    }
  } else await writeAll(files)
}
