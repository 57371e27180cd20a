/** Sign-up and the acceptance of an invitation: forms for people who are nobody yet. */
import { useState } from 'preact/hooks'
import { html } from '../core/html.ts'
import { call, type Json } from '../core/api.ts'
import { operationOf, requestOf, run } from '../core/openapi.ts'
import { route } from '../core/router.ts'
import { useStore } from '../core/use-store.ts'
import { Curl } from '../parts/curl.ts'
import { SchemaForm } from '../parts/form.ts'
import { Absent, Failed } from '../parts/states.ts'
import { Value } from '../parts/value.ts'
import { FirstKey, keyIn, useEntry } from './sign-in.ts'

export function SignUp() {
  return html`<${EntryForm}
    operation="POST /v1/signup"
    title="Make a tenant"
    submit="Sign up"
    send=${(input: Json) => run('POST /v1/signup', input)}
  />`
}

/** The token of an invitation is in the part of the address that no browser sends. */
export function Accept() {
  const { query } = useStore(route)
  const [token, setToken] = useState(query.get('token') ?? '')
  const name = 'POST /v1/invitations/accept'
  const send = (input: Json) =>
    call({ ...requestOf(name, input), headers: { authorization: `Bearer ${token}` } })
  const initial = query.has('email') ? { email: query.get('email') } : {}
  return html`<${EntryForm}
    operation=${name}
    title="Accept an invitation"
    submit="Accept"
    send=${send}
    initial=${initial}
  >
    <p class="field">
      <label for="token">Token of the invitation</label>
      <input
        id="token"
        required
        autocomplete="off"
        value=${token}
        onInput=${(event: { currentTarget: HTMLInputElement }) => setToken(event.currentTarget.value)}
      />
    </p>
  <//>`
}

interface Props {
  operation: string
  title: string
  submit: string
  initial?: Json
  send(input: Json): Promise<Json>
  children?: unknown
}

function EntryForm({ operation, title, submit: label, initial = {}, send, children }: Props) {
  const [input, setInput] = useState<Json>(initial)
  const [answer, setAnswer] = useState<Json>()
  const { problem, busy, submit } = useEntry(async () => setAnswer(await send(input)))
  const known = operationOf(operation)
  if (known === undefined)
    return html`<div class="narrow">
      <h1>${title}</h1>
      <${Absent} operation=${operation} />
    </div>`
  return html`<div class="narrow">
    <header class="title">
      <h1 tabindex="-1">${title}</h1>
      <p>${known.summary}.</p>
    </header>
    <section>
      ${
        answer === undefined
          ? html`<form onSubmit=${submit}>
              ${children}
              <${SchemaForm} schema=${known.input} value=${input} onChange=${setInput} />
              ${problem !== undefined && html`<${Failed} problem=${problem} />`}
              <p class="row">
                <button type="submit" class="primary" disabled=${busy}>${label}</button>
                <a href="#/">Sign in instead</a>
              </p>
              <${Curl} request=${requestOf(operation, input)} guest=${true} />
            </form>`
          : html`<${Entered} answer=${answer} />`
      }
    </section>
  </div>`
}

/** Whoever is let in at once has a key; a sign-up may have to be confirmed first, and says how. */
function Entered({ answer }: { answer: Json }) {
  if (keyIn(answer) !== undefined) {
    return html`<${FirstKey} answer=${answer}><p role="status">You are in.</p><//>`
  }
  const { token } = answer
  return html`<div role="status">
    <${Value} value=${answer} />
    ${typeof token === 'string' && html`<p><a href=${`#/accept?token=${encodeURIComponent(token)}`}>Accept the invitation</a></p>`}
  </div>`
}
