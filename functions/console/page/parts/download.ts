/** A button that fetches a file with the credential of the session and hands it to the browser. */
import { useState } from 'preact/hooks'
import { html } from '../core/html.ts'
import { send, type ApiRequest, type Json, type Problem } from '../core/api.ts'
import { operationOf, requestOf } from '../core/openapi.ts'
import { announce } from './announce.ts'
import type { DownloadFacts } from './section.ts'
import { Failed } from './states.ts'
import { problemOf } from './use-operation.ts'

export function Download({
  operation,
  label,
  file,
  row,
  about,
}: DownloadFacts & { row: Json; about: string }) {
  const [problem, setProblem] = useState<Problem>()
  if (operationOf(operation) === undefined) return null
  const download = async () => {
    try {
      await saveAnswer(requestOf(operation, { id: row['id'] }), file(row))
      setProblem(undefined)
    } catch (error) {
      setProblem(problemOf(error))
    }
  }
  return html`<button
      type="button"
      title=${operation}
      aria-label=${`${label} of ${about}`}
      onClick=${() => void download()}
    >
      ${label}
    </button>
    ${problem !== undefined && html`<${Failed} problem=${problem} />`}`
}

/** Saves the answer to a request as a file. */
async function saveAnswer(request: ApiRequest, name: string): Promise<void> {
  const response = await send(request)
  saveFile(await response.blob(), name)
}

export function saveFile(content: Blob, name: string): void {
  const url = URL.createObjectURL(content)
  const link = Object.assign(document.createElement('a'), { href: url, download: name })
  link.click()
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
  announce(`Saved ${name}`)
}
