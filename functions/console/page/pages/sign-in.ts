/** How one gets in: by an API key, by the company's identity provider, by an invitation, or with a new tenant. */
import { useState } from 'preact/hooks'
import { html, type View } from '../core/html.ts'
import type { Json, Problem } from '../core/api.ts'
import { operationOf, requestOf, run } from '../core/openapi.ts'
import { restoreSession, signInWithKey } from '../core/session.ts'
import { Curl } from '../parts/curl.ts'
import { SchemaForm } from '../parts/form.ts'
import { Failed } from '../parts/states.ts'
import { problemOf } from '../parts/use-operation.ts'

const RECOVER = 'POST /v1/auth/recover'

export function SignIn() {
  return html`<div class="narrow">
    <header class="title">
      <h1 tabindex="-1">Sign in</h1>
      <p>The console of kgents, for tenants and operators.</p>
    </header>
    <${ByKey} />
    <${BySso} />
    <${ByCode} />
    ${operationOf('POST /v1/signup') !== undefined && html`<p>New here? <a href="#/sign-up">Make a tenant</a>.</p>`}
    <p>Programs sign in by <a href="/docs">the API</a>.</p>
  </div>`
}

function ByKey() {
  const [key, setKey] = useState('')
  const { problem, busy, submit } = useEntry(() => signInWithKey(key.trim()))
  return html`<section>
    <h2>By API key</h2>
    <form onSubmit=${submit}>
      <p class="field">
        <label for="key">API key</label>
        <input
          id="key"
          type="password"
          autocomplete="off"
          required
          pattern="\\s*kg_.+"
          title="An API key begins with kg_"
          value=${key}
          onInput=${(event: { currentTarget: HTMLInputElement }) => setKey(event.currentTarget.value)}
        />
      </p>
      ${problem !== undefined && html`<${Failed} problem=${problem} />`}
      <p class="row">
        <button type="submit" class="primary" disabled=${busy}>${busy ? 'Signing in …' : 'Sign in'}</button>
      </p>
      <${Curl} request=${requestOf('POST /v1/auth/session')} />
    </form>
  </section>`
}

/** The provider sends the browser back to the callback, which sets the cookie and returns here. */
function BySso() {
  const [tenant, setTenant] = useState('')
  const leave = (event: Event) => {
    event.preventDefault()
    location.assign(
      `/v1/auth/login?${new URLSearchParams({ tenant, return_to: `/console${location.hash}` }).toString()}`,
    )
  }
  return html`<section>
    <h2>By your company's identity provider</h2>
    <form onSubmit=${leave}>
      <p class="field">
        <label for="tenant">Tenant</label>
        <input
          id="tenant"
          required
          autocomplete="organization"
          value=${tenant}
          onInput=${(event: { currentTarget: HTMLInputElement }) => setTenant(event.currentTarget.value)}
        />
        <small>The short name of your tenant, such as <code>acme</code></small>
      </p>
      <p class="row"><button type="submit">Continue to your provider</button></p>
    </form>
  </section>`
}

/** Where the provider does not answer, an admin gets in by a code that was made before; the tenant is notified. */
function ByCode() {
  const [input, setInput] = useState<Json>({})
  const known = operationOf(RECOVER)
  const { problem, busy, submit } = useEntry(async () => {
    await run(RECOVER, input)
    await restoreSession()
  })
  if (known === undefined) return null
  return html`<section>
    <h2>By recovery code</h2>
    <details>
      <summary>When the provider does not answer</summary>
      <form onSubmit=${submit}>
        <${SchemaForm} schema=${known.input} value=${input} onChange=${setInput} />
        ${problem !== undefined && html`<${Failed} problem=${problem} />`}
        <p class="row"><button type="submit" disabled=${busy}>Use the code</button></p>
        <${Curl} request=${requestOf(RECOVER, input)} guest=${true} />
      </form>
    </details>
  </section>`
}

/** Runs `enter` when a form is sent. */
export function useEntry(enter: () => Promise<unknown>) {
  const [problem, setProblem] = useState<Problem>()
  const [busy, setBusy] = useState(false)
  const submit = async (event: Event) => {
    event.preventDefault()
    setBusy(true)
    setProblem(undefined)
    try {
      await enter()
    } catch (error) {
      setProblem(problemOf(error))
      setBusy(false)
    }
  }
  return { problem, busy, submit }
}

/** The API key in the answer of who lets somebody in. */
export function keyIn({ key, api_key }: Json): string | undefined {
  const found = key ?? (api_key as Json | undefined)?.['key'] ?? api_key
  return typeof found === 'string' ? found : undefined
}

/** The first API key of somebody new, who signs in with it at once. */
export function FirstKey({ answer, children }: { answer: Json; children?: View }) {
  const key = keyIn(answer) ?? ''
  const { problem, busy, submit } = useEntry(async () => {
    await signInWithKey(key)
    location.hash = '#/overview'
  })
  return html`<form onSubmit=${submit}>
    ${children}
    <div class="once">
      <p><strong>This key is shown once.</strong> Keep it: it is how you sign in.</p>
      <p><code data-secret="key">${key}</code></p>
    </div>
    ${problem !== undefined && html`<${Failed} problem=${problem} />`}
    <p><button type="submit" class="primary" disabled=${busy}>Sign in with it</button></p>
  </form>`
}
