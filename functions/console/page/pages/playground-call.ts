/** One call of a path, as it goes on: the text of a model piece by piece, the job, the answer with its charges, or the failure. */
import { useRef, useState } from 'preact/hooks'
import { html } from '../core/html.ts'
import { call, type ApiRequest, type Json, type Problem } from '../core/api.ts'
import { textOf } from '../core/format.ts'
import { linkTo } from '../core/router.ts'
import { stream } from '../core/stream.ts'
import { announce } from '../parts/announce.ts'
import { Failed } from '../parts/states.ts'
import { problemOf } from '../parts/use-operation.ts'
import { Value } from '../parts/value.ts'

export interface CallOutcome {
  /** What the model has said so far. */
  text: string
  /** What the job is doing. */
  state?: string
  answer?: Json
  problem?: Problem
}

export function useCall() {
  const [outcome, setOutcome] = useState<CallOutcome>()
  const [busy, setBusy] = useState(false)
  const leaving = useRef(new AbortController())

  const stop = () => leaving.current.abort()

  const callPath = async (request: ApiRequest, streams: boolean) => {
    leaving.current = new AbortController()
    const { signal } = leaving.current
    setBusy(true)
    setOutcome({ text: '', state: 'sent' })
    try {
      const headers = { 'idempotency-key': crypto.randomUUID() }
      const done = streams
        ? await follow({ ...request, headers }, signal, setOutcome)
        : { text: '', answer: await call({ ...request, headers }, signal) }
      setOutcome(done)
      announce('The call has ended')
    } catch (error) {
      setOutcome((last) => ({
        text: last?.text ?? '',
        ...(signal.aborted ? { state: 'no longer followed' } : { problem: problemOf(error) }),
      }))
    } finally {
      setBusy(false)
    }
  }
  return { outcome, busy, callPath, stop }
}

/** A stream that begins again says what it has said before: a worker was lost, and another took the job. */
async function follow(
  request: ApiRequest,
  signal: AbortSignal,
  show: (outcome: CallOutcome) => void,
): Promise<CallOutcome> {
  let outcome: CallOutcome = { text: '' }
  for await (const { event, data } of stream(request, signal)) {
    outcome = after(outcome, event, data)
    show(outcome)
  }
  return outcome
}

function after(outcome: CallOutcome, event: string, data: Json): CallOutcome {
  switch (event) {
    case 'chunk':
      return { ...outcome, state: 'running', text: outcome.text + textOf(data['text']) }
    case 'restart':
      return { text: '', state: 'begun again' }
    case 'complete':
      return { ...outcome, state: 'completed', answer: data }
    case 'error':
      return {
        ...outcome,
        state: 'failed',
        problem: { title: 'It failed', status: 0, code: 'UNKNOWN', message: '', ...data },
      }
    default:
      return { ...outcome, state: event }
  }
}

export function Outcome({ outcome }: { outcome: CallOutcome | undefined }) {
  if (outcome === undefined) return null
  const { text, state, answer, problem } = outcome
  const { meta, ...shown } = answer ?? {}
  const { trace_id } = (meta ?? {}) as { trace_id?: string }
  return html`<div class="outcome">
    <h3>Answer</h3>
    ${state !== undefined && html`<p>State: <${Value} value=${state} name="state" /></p>`}
    ${text !== '' && html`<blockquote aria-live="off">${text}</blockquote>`}
    ${answer !== undefined && html`<${Value} value=${shown} />`}
    ${
      meta !== undefined &&
      html`<details>
        <summary>Charges and trace</summary>
        <${Value} value=${meta} />
      </details>`
    }
    ${trace_id !== undefined && html`<p><a href=${linkTo('traces', { trace: trace_id })}>Its trace</a></p>`}
    ${problem !== undefined && html`<${Failed} problem=${problem} />`}
  </div>`
}
