/** What every field of a form is given, and the description that it shows. */
import { html } from '../core/html.ts'
import type { Schema } from '../core/openapi.ts'

export interface FieldProps {
  name: string
  schema: Schema
  root: Schema
  value: unknown
  required: boolean
  onChange(value: unknown): void
}

export function Hint({ schema, id }: { schema: Schema; id?: string }) {
  return schema.description === undefined ? null : html`<small id=${id}>${schema.description}</small>`
}
