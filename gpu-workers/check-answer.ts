/** Checks that an answer meets the JSON Schema of its request, whatever the engine has promised. */
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { ChatRequest } from '../shared/inference/messages.ts'
import { EngineFailure } from './engines/engine.ts'
import { parseJson } from './engines/openai-failure.ts'

/**
 * An answer that the limit of tokens cut off is not checked, as it says itself.
 *
 * @param responseSchema has been checked by `checkResponseSchema`, so that it holds no pattern and is bounded
 * @throws EngineFailure that says where the answer is wrong, and not what stands there
 */
export function checkAnswer({ responseSchema }: ChatRequest, text: string): void {
  if (responseSchema === undefined) return
  const value = parseJson(text)
  if (value === undefined) throw wrong('it is no JSON')
  const ajv = new Ajv2020({ strict: false, validateFormats: false, logger: false })
  // An id would be kept beside others, and is of no use here.
  const { $id: _id, $schema: _schema, ...schema } = responseSchema
  const validate = ajv.compile(schema)
  if (validate(value)) return
  const { instancePath = '', message = 'is not valid' } = validate.errors?.[0] ?? {}
  throw wrong(`"${instancePath || '/'}" ${message}`)
}

function wrong(why: string): EngineFailure {
  return new EngineFailure(`Cannot finish the answer: it does not meet the JSON schema: ${why}`, {
    retry: false,
  })
}
