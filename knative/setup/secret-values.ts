/**
 * Divides a file that `cluster:settings` has written, where Secrets are kept in a store: prints the values of one Secret as
 * JSON, which the store keeps under one name and the component `external-secrets` reads there, or all that is no secret.
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { parseAllDocuments, stringify } from 'yaml'
import type { ConfigMap, Secret } from '../objects.ts'

/** @throws TypeError where `text` has no such Secret */
export function secretValues(text: string, name: string): Record<string, string> {
  for (const object of readObjects(text))
    if (object.kind === 'Secret' && object.metadata.name === name) return object.stringData
  throw new TypeError(`Cannot print the Secret "${name}": the file does not have it`)
}

/** The other objects of `text`, for the cluster itself. */
export function withoutSecrets(text: string): string {
  return readObjects(text)
    .filter(({ kind }) => kind !== 'Secret')
    .map((object) => stringify(object))
    .join('---\n')
}

function readObjects(text: string): (Secret | ConfigMap)[] {
  return parseAllDocuments(text).map((document) => document.toJS() as Secret | ConfigMap)
}

const HELP = `Usage: node knative/setup/secret-values.ts FILE SECRET
       node knative/setup/secret-values.ts FILE --others
`

if (import.meta.main) {
  try {
    const { values, positionals } = parseArgs({
      options: { others: { type: 'boolean' } },
      allowPositionals: true,
    })
    const [file, name] = positionals
    const isWhole = values.others === true ? name === undefined : name !== undefined
    if (file === undefined || !isWhole) throw new TypeError(HELP.trimEnd())
    const text = readFileSync(file, 'utf8')
    process.stdout.write(name === undefined ? withoutSecrets(text) : JSON.stringify(secretValues(text, name)))
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}
