/** One field of a form, by the kind of its schema. Its value is what will be sent: undefined is not sent at all. */
import { useId, useState } from 'preact/hooks'
import { html, type View } from '../core/html.ts'
import { labelOf, textOf } from '../core/format.ts'
import { resolve, type Schema } from '../core/openapi.ts'
import { Choices, JsonText } from './field-plain.ts'
import { Hint, type FieldProps } from './field-props.ts'
import { Single } from './field-single.ts'
import { kindOf } from './schema-kind.ts'

type Change<T> = { currentTarget: T }

function Field(props: FieldProps): View {
  const { schema, root, name } = props
  const kind = kindOf(schema, root)
  switch (kind.kind) {
    case 'fixed':
      return html`<p class="field"><span>${labelOf(name)}</span> <code>${String(kind.value)}</code></p>`
    case 'choices':
      return html`<${Choices} ...${props} options=${kind.options} />`
    case 'list':
      return html`<${List} ...${props} items=${kind.items} />`
    case 'object':
      return html`<${Group} ...${props} schema=${kind.schema} />`
    case 'one-of':
      return html`<${OneOf} ...${props} variants=${kind.variants} />`
    case 'json':
      return html`<${JsonText} ...${props} />`
    default:
      return html`<${Single} ...${props} kind=${kind} />`
  }
}

/** The members of an object. */
export function Members({ schema, root, value, onChange }: Omit<FieldProps, 'name' | 'required'>) {
  const held = (value ?? {}) as Record<string, unknown>
  const change = (name: string, next: unknown) => {
    const { [name]: _, ...others } = held
    onChange(next === undefined ? others : { ...others, [name]: next })
  }
  return html`${Object.entries(schema.properties ?? {}).map(
    ([name, member]) =>
      html`<${Field}
        key=${name}
        name=${name}
        schema=${member}
        root=${root}
        value=${held[name]}
        required=${schema.required?.includes(name) ?? false}
        onChange=${(next: unknown) => change(name, next)}
      />`,
  )}`
}

/** An object that is not required appears when somebody opens it: its own required members are none of the form's. */
function Group(props: FieldProps) {
  const { name, required, value, onChange } = props
  const [open, setOpen] = useState(required || value !== undefined)
  const toggle = () => {
    if (open) onChange(undefined)
    setOpen(!open)
  }
  return html`<fieldset>
    <legend>${labelOf(name)}</legend>
    <${Hint} schema=${props.schema} />
    ${!required && html`<button type="button" class="quiet" onClick=${toggle}>${open ? 'Remove' : 'Add'} ${labelOf(name)}</button>`}
    ${open && html`<${Members} ...${props} />`}
  </fieldset>`
}

function List({ name, schema, root, value, onChange, items }: FieldProps & { items: Schema }) {
  const held = (value ?? []) as unknown[]
  const keep = (next: unknown[]) => onChange(next.length === 0 ? undefined : next)
  const label = labelOf(name)
  return html`<fieldset>
    <legend>${label}</legend>
    <${Hint} schema=${resolve(schema, root)} />
    ${held.map(
      (each, at) =>
        html`<div class="entry">
          <${Field}
            name=${`${name} ${at + 1}`}
            schema=${items}
            root=${root}
            value=${each ?? undefined}
            required=${true}
            onChange=${(next: unknown) => keep(held.with(at, next ?? null))}
          />
          <button
            type="button"
            class="quiet"
            aria-label=${`Remove ${label} ${at + 1}`}
            onClick=${() => keep(held.toSpliced(at, 1))}
          >
            Remove
          </button>
        </div>`,
    )}
    <button type="button" class="quiet" onClick=${() => keep([...held, null])}>Add to ${label}</button>
  </fieldset>`
}

function OneOf({ variants, ...props }: FieldProps & { variants: Schema[] }) {
  const [at, setAt] = useState(0)
  const id = useId()
  const choose = ({ currentTarget }: Change<HTMLSelectElement>) => {
    setAt(currentTarget.selectedIndex)
    props.onChange(undefined)
  }
  const variant = variants[at] ?? {}
  return html`<fieldset>
    <legend>${labelOf(props.name)}</legend>
    <p class="field">
      <label for=${id}>Kind</label>
      <select id=${id} onChange=${choose}>
        ${variants.map((each, index) => html`<option selected=${index === at}>${titleOf(resolve(each, props.root), index)}</option>`)}
      </select>
    </p>
    <${Field} key=${at} ...${props} schema=${variant} />
  </fieldset>`
}

function titleOf({ title, type, properties }: Schema, index: number): string {
  const fixed = Object.values(properties ?? {}).find((each) => each.const !== undefined)?.const
  return title ?? (fixed === undefined ? `${textOf(type ?? 'variant')} ${index + 1}` : textOf(fixed))
}
