/**
 * A button that runs an operation: it opens the form of the operation's input beside its API call, and sends it when that is
 * confirmed. So every action is seen before it is sent, as a form and as a request.
 */
import { useState } from 'preact/hooks'
import { html } from '../core/html.ts'
import type { Json, Problem } from '../core/api.ts'
import { operationOf, requestOf, run, type Operation } from '../core/openapi.ts'
import { may } from '../core/session.ts'
import { announce } from './announce.ts'
import { Answer } from './answer.ts'
import { Curl } from './curl.ts'
import { Dialog } from './dialog.ts'
import { SchemaForm } from './form.ts'
import { Failed } from './states.ts'
import { problemOf } from './use-operation.ts'

export interface ActionFacts {
  operation: string
  label: string
  /** Marks what cannot be undone. */
  danger?: boolean
  /** Members that the page knows already; they are sent and not asked for. */
  given?: Json
  /** Members that the form begins with; they can be changed. */
  initial?: Json
  /** Of a list: whether its form begins with what the list is narrowed to. */
  filtered?: boolean
  /** A member of the answer that is shown this once. */
  secret?: string
  /** An address that hands the secret on. */
  linkOf?(secret: string): string
  /** Whether the answer is what it is done for. */
  shows?: boolean
  /** What else becomes of the answer. */
  use?(answer: Json, about: string): void
}

interface Props extends ActionFacts {
  /** What it is done to, for those who hear the buttons of a table: "Revoke reader". */
  about?: string
  done?(): void
}

export function Action(props: Props) {
  const { operation: name, label, about = '', danger = false } = props
  const [open, setOpen] = useState(false)
  const operation = operationOf(name)
  if (operation === undefined || !may(operation.permission)) return null
  const described = about === '' ? {} : { 'aria-label': `${label} ${about}` }
  return html`<button
      type="button"
      class=${danger ? 'danger' : ''}
      title=${name}
      ...${described}
      onClick=${() => setOpen(true)}
    >
      ${label}
    </button>
    ${open && html`<${Sheet} ...${props} known=${operation} closed=${() => setOpen(false)} />`}`
}

/** The list behind it is read again when it closes: a row that is gone would take the dialog with it. */
function Sheet({ closed, known, ...props }: Props & { known: Operation; closed(): void }) {
  const { label, about, done } = props
  const [answer, setAnswer] = useState<Json>()
  const end = () => {
    closed()
    if (answer !== undefined) done?.()
  }
  return html`<${Dialog} title=${about === undefined ? label : `${label} ${about}`} closed=${end}>
    ${(close: () => void) =>
      answer === undefined || !isShown(props)
        ? html`<${ActionForm} ...${props} known=${known} close=${close} answered=${setAnswer} />`
        : html`<${Answer} answer=${answer} secret=${props.secret} linkOf=${props.linkOf} />
            <p class="row end"><button type="button" class="primary" onClick=${close}>Done</button></p>`}
  <//>`
}

function isShown({ secret, shows = false }: ActionFacts): boolean {
  return secret !== undefined || shows
}

interface FormProps extends Props {
  known: Operation
  close(): void
  answered(answer: Json): void
}

function ActionForm({ known, close, ...props }: FormProps) {
  const { operation, label, danger, given = {}, initial = {} } = props
  const [input, setInput] = useState<Json>(initial)
  const whole = { ...input, ...given }
  const { problem, busy, submit } = useSubmit({ ...props, known, close }, whole)
  return html`<form onSubmit=${submit}>
    <p>${known.summary}.</p>
    <${SchemaForm}
      schema=${known.input}
      value=${input}
      onChange=${setInput}
      example=${known.example}
      without=${Object.keys(given)}
    />
    ${problem !== undefined && html`<${Failed} problem=${problem} />`}
    <${Curl} request=${requestOf(operation, whole)} />
    <p class="row end">
      <button type="button" onClick=${close}>Back</button>
      <button type="submit" class=${danger === true ? 'danger' : 'primary'} disabled=${busy}>
        ${busy ? 'Sending …' : label}
      </button>
    </p>
  </form>`
}

function useSubmit(props: FormProps, input: Json) {
  const { operation, label, about = '', use, answered, close } = props
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const submit = async (event: Event) => {
    event.preventDefault()
    setBusy(true)
    setProblem(undefined)
    try {
      const answer = await run(operation, input)
      announce(`${about === '' ? label : `${label} ${about}`}: done`)
      use?.(answer, about)
      answered(answer)
      if (!isShown(props)) close()
    } catch (error) {
      setProblem(problemOf(error))
    } finally {
      setBusy(false)
    }
  }
  return { busy, problem, submit }
}
