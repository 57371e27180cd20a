/** Fields of one value: a text, a number, a time, a choice, a yes or no. */
import { useId } from 'preact/hooks'
import { html } from '../core/html.ts'
import { labelOf, textOf } from '../core/format.ts'
import { resolve, type Schema } from '../core/openapi.ts'
import { Hint, type FieldProps } from './field-props.ts'
import type { kindOf } from './schema-kind.ts'

export function Single(props: FieldProps & { kind: ReturnType<typeof kindOf> }) {
  const { name, root, required, kind } = props
  const schema = resolve(props.schema, root)
  const id = useId()
  const described = schema.description === undefined ? {} : { 'aria-describedby': `${id}-hint` }
  const label = html`<label for=${id}>${labelOf(name)}${!required && html` <i>optional</i>`}</label>`
  if (kind.kind === 'yes-no') {
    return html`<p class="field check">
      <${Input} ...${props} schema=${schema} id=${id} described=${described} />${label}<${Hint}
        schema=${schema}
        id=${`${id}-hint`}
      />
    </p>`
  }
  return html`<p class="field">
    ${label}<${Input} ...${props} schema=${schema} id=${id} described=${described} /><${Hint}
      schema=${schema}
      id=${`${id}-hint`}
    />
  </p>`
}

function Input(props: FieldProps & { kind: ReturnType<typeof kindOf>; id: string; described: object }) {
  const { schema, value, required, onChange, kind, id, described } = props
  const placeholder = textOf(schema.default)
  const common = { id, required: required && schema.default === undefined, placeholder, ...described }
  const read = (text: string) => (text === '' ? undefined : text)
  const onInput = (event: { currentTarget: HTMLInputElement }) => onChange(read(event.currentTarget.value))
  switch (kind.kind) {
    case 'choice':
      return html`<select
        ...${common}
        onChange=${(event: { currentTarget: HTMLSelectElement }) => onChange(kind.options[event.currentTarget.selectedIndex - 1])}
      >
        <option value="">${placeholder === '' ? '' : `${placeholder} (default)`}</option>
        ${kind.options.map((option) => html`<option value=${String(option)} selected=${option === value}>${String(option)}</option>`)}
      </select>`
    case 'yes-no':
      return html`<input
        type="checkbox"
        ...${{ ...common, required: false }}
        checked=${value ?? schema.default ?? false}
        onChange=${(event: { currentTarget: HTMLInputElement }) => onChange(event.currentTarget.checked)}
      />`
    case 'number':
      return html`<input
        type="number"
        ...${common}
        ...${boundsOf(schema)}
        step=${kind.whole ? 1 : 'any'}
        value=${value ?? ''}
        onInput=${(event: { currentTarget: HTMLInputElement }) => onChange(Number.isNaN(event.currentTarget.valueAsNumber) ? undefined : event.currentTarget.valueAsNumber)}
      />`
    case 'time':
      return html`<input
        type="datetime-local"
        ...${common}
        value=${toLocal(value)}
        onInput=${(event: { currentTarget: HTMLInputElement }) => onChange(fromLocal(event.currentTarget.value))}
      />`
    case 'text':
      return kind.long
        ? html`<textarea
            ...${common}
            rows="3"
            value=${value ?? ''}
            maxlength=${schema.maxLength}
            onInput=${onInput}
          ></textarea>`
        : html`<input
            type=${kind.type}
            ...${common}
            value=${value ?? ''}
            maxlength=${schema.maxLength}
            minlength=${schema.minLength}
            autocomplete="off"
            onInput=${onInput}
          />`
    default:
      return null
  }
}

/** JavaScript's own bounds are none of the field's. */
function boundsOf({ minimum, maximum }: Schema) {
  return {
    ...(minimum === undefined || minimum <= Number.MIN_SAFE_INTEGER ? {} : { min: minimum }),
    ...(maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER ? {} : { max: maximum }),
  }
}

function fromLocal(text: string): string | undefined {
  return text === '' ? undefined : new Date(text).toISOString()
}

/** In the time zone of the reader, as the browser's field takes it. */
function toLocal(value: unknown): string {
  if (typeof value !== 'string') return ''
  const at = new Date(value)
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16)
}
