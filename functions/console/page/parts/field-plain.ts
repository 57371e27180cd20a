/** Fields that take the rest: a choice of several, and JSON where nothing else fits. */
import { useId, useState } from 'preact/hooks'
import { html } from '../core/html.ts'
import { labelOf } from '../core/format.ts'
import { resolve } from '../core/openapi.ts'
import { Hint, type FieldProps } from './field-props.ts'

type Change<T> = { currentTarget: T }

export function Choices({
  name,
  schema,
  root,
  value,
  onChange,
  options,
}: FieldProps & { options: unknown[] }) {
  const chosen = (value ?? []) as unknown[]
  const toggle = (option: unknown) => {
    const next = options.filter((each) => (each === option) !== chosen.includes(each))
    onChange(next.length === 0 ? undefined : next)
  }
  return html`<fieldset>
    <legend>${labelOf(name)}</legend>
    <${Hint} schema=${resolve(schema, root)} />
    <div class="choices">
      ${options.map(
        (option) =>
          html`<label
            ><input type="checkbox" checked=${chosen.includes(option)} onChange=${() => toggle(option)} />
            ${String(option)}</label
          >`,
      )}
    </div>
  </fieldset>`
}

/** What was typed stays as it is while it is no JSON. */
export function JsonText({ name, schema, root, value, required, onChange }: FieldProps) {
  const [text, setText] = useState(value === undefined ? '' : JSON.stringify(value, null, 2))
  const [wrong, setWrong] = useState('')
  const id = useId()
  const read = ({ currentTarget }: Change<HTMLTextAreaElement>) => {
    setText(currentTarget.value)
    const result = parse(currentTarget.value)
    setWrong(result.wrong)
    currentTarget.setCustomValidity(result.wrong)
    onChange(result.value)
  }
  return html`<p class="field">
    <label for=${id}>${labelOf(name)} <i>JSON${!required && ', optional'}</i></label>
    <textarea
      id=${id}
      class="code"
      rows="4"
      spellcheck=${false}
      required=${required}
      value=${text}
      onInput=${read}
      aria-describedby=${`${id}-wrong`}
    ></textarea>
    <${Hint} schema=${resolve(schema, root)} />
    <small id=${`${id}-wrong`} class="wrong">${wrong}</small>
  </p>`
}

function parse(text: string): { value?: unknown; wrong: string } {
  if (text.trim() === '') return { wrong: '' }
  try {
    return { value: JSON.parse(text) as unknown, wrong: '' }
  } catch (error) {
    return { wrong: `Cannot read this as JSON: ${(error as Error).message}` }
  }
}
