/** Answers in place of a service. */
import { z } from 'zod'
import { ANSWER_BY_STATUS } from '../../answers.ts'
import type { Answer, CreatePlugin } from '../plugin.ts'

const Config = z.strictObject({ status_code: z.int() })

export const createRequestTermination: CreatePlugin = (config) => {
  const { status_code } = Config.parse(config)
  const failure = ANSWER_BY_STATUS[status_code]
  const answer: Answer = failure === undefined ? { status: status_code, headers: {} } : { failure }
  return { access: () => answer }
}
