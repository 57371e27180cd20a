/** Checks that an answer meets the JSON Schema of its request, whatever the engine has promised. */
import { runInNewContext } from 'node:vm'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { ChatRequest } from '../shared/inference/messages.ts'
import { EngineFailure } from './engines/engine.ts'
import { parseJson } from './engines/openai-failure.ts'

/** For one answer: alternatives inside alternatives can take longer than anybody waits, and other answers wait meanwhile. */
const MAX_CHECK_MS = 500

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
  const [error] = withinTime(() => {
    const validate = ajv.compile(schema)
    return validate(value) ? [] : (validate.errors ?? [])
  })
  if (error !== undefined) throw wrong(`"${error.instancePath || '/'}" ${error.message ?? 'is not valid'}`)
}

function withinTime<T>(work: () => T): T {
  try {
    return runInNewContext('work()', { work }, { timeout: MAX_CHECK_MS }) as T // reason: it is what `work` returns
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error
    throw wrong(`that cannot be checked in ${MAX_CHECK_MS} ms, use a schema with fewer alternatives`)
  }
}

function wrong(why: string): EngineFailure {
  return new EngineFailure(`Cannot finish the answer: it does not meet the JSON schema: ${why}`, {
    retry: false,
  })
}
