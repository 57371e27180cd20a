/** Lets a program without a browser in, by the code that it shows. */
import { useState } from 'preact/hooks'
import { html } from '../core/html.ts'
import type { Json } from '../core/api.ts'
import { operationOf, requestOf } from '../core/openapi.ts'
import { go, route } from '../core/router.ts'
import { useStore } from '../core/use-store.ts'
import { Action } from '../parts/action.ts'
import { Curl } from '../parts/curl.ts'
import type { Page } from '../parts/section.ts'
import { Absent, Failed, Loading } from '../parts/states.ts'
import { useOperation } from '../parts/use-operation.ts'
import { Value } from '../parts/value.ts'

const SHOW = 'GET /v1/auth/device'
const DECIDE = 'POST /v1/auth/device/approve'

function Device() {
  const { query } = useStore(route)
  const user_code = query.get('user_code')
  if (operationOf(SHOW) === undefined) return html`<section><${Absent} operation=${SHOW} /></section>`
  return user_code === null ? html`<${AskForCode} />` : html`<${Program} input=${{ user_code }} />`
}

function AskForCode() {
  const [code, setCode] = useState('')
  const submit = (event: Event) => {
    event.preventDefault()
    go('device', { user_code: code })
  }
  return html`<section>
    <form onSubmit=${submit}>
      <p class="field">
        <label for="code">Code</label
        ><input
          id="code"
          required
          autocomplete="off"
          value=${code}
          onInput=${(event: { currentTarget: HTMLInputElement }) => setCode(event.currentTarget.value)}
        />
      </p>
      <p><button type="submit" class="primary">Continue</button></p>
    </form>
  </section>`
}

/** What asks is shown before it is let in: whoever was sent a link by somebody else sees that it is not theirs. */
function Program({ input }: { input: Json }) {
  const [decided, setDecided] = useState('')
  const { answer, problem } = useOperation(SHOW, input)
  const isOpen = answer !== undefined && decided === ''
  return html`<section class="facts">
    <h2>A program asks to act in your name</h2>
    ${problem !== undefined && html`<${Failed} problem=${problem} />`}
    ${answer === undefined && problem === undefined && html`<${Loading} what="the program" />`}
    ${answer !== undefined && html`<${Value} value=${answer} />`}
    ${
      isOpen &&
      html`<p class="row">
        <${Action}
          operation=${DECIDE}
          label="Approve"
          given=${{ ...input, approve: true }}
          use=${() => setDecided('It may act in your name now.')}
        />
        <${Action}
          operation=${DECIDE}
          label="Deny"
          danger=${true}
          given=${{ ...input, approve: false }}
          use=${() => setDecided('It was denied.')}
        />
      </p>`
    }
    ${decided !== '' && html`<p role="status">${decided}</p>`}
    <${Curl} request=${requestOf(SHOW, input)} />
  </section>`
}

export const DEVICE: Page = {
  id: 'device',
  title: 'Sign in a program',
  group: '',
  hidden: true,
  about: 'Approve it only if you have started it yourself.',
  sections: [{ view: Device }],
}
