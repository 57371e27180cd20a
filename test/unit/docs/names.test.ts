/** What the README pages name is there: pages, files, commands and environment variables. */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { components } from '../../../functions/components.ts'
import { LocalConfig } from '../../../knative/local/config.ts'
import { secretKeyOf } from '../../../knative/parts.ts'
import packageJson from '../../../package.json' with { type: 'json' }
import { listFailures } from '../../../shared/failures.ts'
import { FunctionConfig } from '../../../shared/runtime/config.ts'
import { anchorsOf, codeOf, linksOf, PAGES, ROOT } from './pages.ts'

const PATH = /(?<![\w./-])(?:functions|shared|gateway|gpu-workers|knative|test)\/[\w./-]+/g
const VARIABLE = /^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$|^[A-Z][A-Z0-9_]*(?==)/
const READ_FROM_ENVIRONMENT = /\benv(?:\.|\[')([A-Z][A-Z0-9_]+)/g

/** Variables that are read without a schema: by tests, and by what runs before there is a configuration. */
const readDirectly = globSync(['test/**/*.ts', 'knative/local/servers/*.ts'], { cwd: ROOT }).flatMap((file) =>
  [...readFileSync(join(ROOT, file), 'utf8').matchAll(READ_FROM_ENVIRONMENT)].map(([, name]) => name),
)
const variables = new Set([
  ...Object.keys(FunctionConfig.shape),
  ...Object.keys(LocalConfig.shape),
  ...components.flatMap((component) => component.variables.map(({ name }) => name)),
  ...components.flatMap((component) => component.secrets.map((name) => secretKeyOf(component, name))),
  ...readDirectly,
])
const failures = new Set<string>(listFailures().flatMap(({ code, category }) => [code, category]))

describe.for(PAGES)('$file', (page) => {
  test('links to pages and sections that exist', () => {
    for (const link of linksOf(page)) {
      const [path = '', anchor] = link.split('#')
      const file = path === '' ? page.file : join(dirname(page.file), path)
      expect(existsSync(join(ROOT, file)), link).toBe(true)
      if (anchor === undefined) continue
      const target = PAGES.find((each) => each.file === file)
      expect(target === undefined ? [] : anchorsOf(target), link).toContain(anchor)
    }
  })

  test('names files and folders that exist', () => {
    const paths = codeOf(page).flatMap((code) => code.match(PATH) ?? [])
    expect(paths.filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
  })

  test('names commands of package.json', () => {
    const code = codeOf(page).join('\n')
    const named = [...code.matchAll(/npm run ([\w:-]+)|npm (start|test)/g)].map(
      ([, run, short]) => run ?? short,
    )
    expect(named.filter((name) => !Object.hasOwn(packageJson.scripts, name ?? ''))).toEqual([])
  })

  test('names environment variables that something reads', () => {
    const named = codeOf(page).flatMap((code) => VARIABLE.exec(code)?.[0] ?? [])
    expect(named.filter((name) => !variables.has(name) && !failures.has(name))).toEqual([])
  })
})
