/** How far an agent and its runs may go. Lengths are in UTF-16 code units. */

/** Longest answer of an agent that answers at once, and of a step of one that uses tools; in tokens. */
export const ANSWER_TOKENS = 500
export const STEP_TOKENS = 1000
/** Characters of a token, cautiously; what is set aside is settled by what was really used. */
export const CHARACTERS_PER_TOKEN = 3
export const MAX_INSTRUCTIONS = 8000
export const MAX_INPUT = 8000

/** Steps of a run, which are answers of the model. */
export const MAX_STEPS = 5000
export const DEFAULT_STEPS = 20
export const MAX_BUDGET = 1_000_000_000

export const MAX_TOOLS = 16
/** Tool calls of one answer; what a model wants beyond them is dropped. */
export const MAX_CALLS = 8
/** Of the JSON text of one call's arguments. */
export const MAX_ARGUMENTS = 8000
/** Of one tool's answer, as kept and as shown to the model. */
export const MAX_ANSWER = 4000
/** Of one tool's schema; a model is not shown a longer one. */
export const MAX_SCHEMA = 4000
/** Of one answer of the model, as kept. */
export const MAX_TEXT = 16_000

/** What a step shows of those before it: this is what makes step 1,000 cost what step 10 costs. */
export const MAX_HISTORY = 12_000
/** However long the rest is. */
export const MIN_HISTORY = 3000
/** Rows that are read for it. */
export const HISTORY_ROWS = 64
/** Of memories. */
export const MEMORY_CHARACTERS = 2000

/** Failed attempts at one thing, after which that is a failure of the run or of its tool. */
export const MAX_ATTEMPTS = 6
