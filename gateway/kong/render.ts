/** Writes `kong.yaml` from the catalog; with `--check`, fails when the committed file differs. */
import { readFileSync, writeFileSync } from 'node:fs'
import { stringify } from 'yaml'
import { catalog } from '../../functions/catalog.ts'
import { components } from '../../functions/components.ts'
import { createKongConfig } from './kong.ts'

const HEADER = `# Generated from functions/catalog.ts by gateway/kong/render.ts; do not edit.
# To write it again: node gateway/kong/render.ts
`

const file = new URL('kong.yaml', import.meta.url)
const rendered =
  HEADER + stringify(createKongConfig(catalog, components), { aliasDuplicateObjects: false, lineWidth: 0 })

if (!process.argv.includes('--check')) {
  writeFileSync(file, rendered)
} else if (readFileSync(file, 'utf8') !== rendered) {
  process.stderr.write('gateway/kong/kong.yaml differs from the catalog: run node gateway/kong/render.ts\n')
  process.exitCode = 1
}
