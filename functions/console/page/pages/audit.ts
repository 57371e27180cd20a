/** The audit: what was done by whom, and copies of it that can be verified without the platform. */
import { useState } from 'preact/hooks'
import { html } from '../core/html.ts'
import type { Json, Problem } from '../core/api.ts'
import { requestOf, run } from '../core/openapi.ts'
import { listIn } from '../parts/rows.ts'
import { Curl } from '../parts/curl.ts'
import { saveFile } from '../parts/download.ts'
import type { Page } from '../parts/section.ts'
import { Failed } from '../parts/states.ts'
import { problemOf } from '../parts/use-operation.ts'

const EXPORT = 'GET /v1/audit/export'

function Export() {
  const [problem, setProblem] = useState<Problem>()
  const [busy, setBusy] = useState(false)
  const save = async () => {
    setBusy(true)
    setProblem(undefined)
    try {
      const lines = (await readAll()).map((record) => JSON.stringify(record)).join('\n')
      saveFile(new Blob([lines, '\n'], { type: 'application/jsonl' }), 'audit.jsonl')
    } catch (error) {
      setProblem(problemOf(error))
    } finally {
      setBusy(false)
    }
  }
  return html`<section class="facts">
    <h2>Export</h2>
    <p>All records, oldest first, one JSON document in each line. Each hash covers the record before it.</p>
    <p class="row">
      <button type="button" disabled=${busy} onClick=${() => void save()}>
        ${busy ? 'Reading …' : 'Save a copy'}
      </button>
    </p>
    ${problem !== undefined && html`<${Failed} problem=${problem} />`}
    <${Curl} request=${requestOf(EXPORT)} />
  </section>`
}

/** Page by page, until there are no more. */
async function readAll(): Promise<Json[]> {
  const records: Json[] = []
  let after: Json = {}
  for (;;) {
    const answer = await run(EXPORT, after)
    records.push(...listIn(answer))
    const { next_after } = answer
    if (next_after === null || next_after === undefined) return records
    after = { after: next_after }
  }
}

export const AUDIT: Page = {
  id: 'audit',
  title: 'Audit',
  group: 'Tenant',
  about: 'Who did what to whom, and from where.',
  permission: 'tenant:admin',
  sections: [
    {
      list: 'GET /v1/audit',
      title: 'Records',
      of: 'records',
      columns: ['at', 'action', 'target', 'actor', 'details'].map((name) => ({ name })),
      nameOf: ({ seq }) => `record ${String(seq)}`,
    },
    { view: Export },
    { facts: 'GET /v1/audit/head', title: 'Signed head' },
  ],
}
