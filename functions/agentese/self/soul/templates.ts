/**
 * What K-gent answers without a model. A ready answer is given only to a message that is nothing but a greeting, a
 * goodbye, a request for another mode or a short remark: a word inside a longer text never counts.
 */
import { MODES, type Mode } from './persona.ts'

/** What a whole message can be, besides something to think about. */
export type Remark =
  | { kind: 'empty' | 'greeting' | 'closing' | 'short' }
  | { kind: 'mode switch'; mode: Mode }

/** A message this long, in characters, is something to think about. */
const SHORT = 20
const SHORT_WORDS = 3

const GREETINGS = new Set(
  'hi|hello|hey|hi there|hello there|hey there|good morning|good afternoon|good evening|good day|greetings|howdy|yo|hiya|moin|hallo|salut|bonjour|hola|ciao'.split(
    '|',
  ),
)

const CLOSINGS = new Set(
  "bye|bye bye|goodbye|good bye|good night|see you|see ya|see you later|see you soon|see you tomorrow|talk to you later|until next time|farewell|that is all|that's all|that will be all|i am done|i'm done|thanks bye|thank you bye|ok bye|bye for now|take care".split(
    '|',
  ),
)

const MODE_SWITCH = new RegExp(
  `^(?:please )?(?:/?(?:mode )?|(?:switch|change|go|set) (?:the )?(?:mode )?(?:to |into )?)(${MODES.join('|')})(?: mode)?(?: please)?$`,
)

const ADDRESS = /[ ,]+(?:k-?gent|friend|again|everyone)$/
/** Words that a question or a request begins with: such a message is short and no remark. */
const ASKING =
  /^(?:who|what|when|where|why|which|how|is|are|am|can|could|do|does|did|should|would|will|may|please|tell|say|name|find|suggest|recommend|compare|imagine|continue|plan|write|explain|give|show|help|list|make|describe|summari[sz]e|translate|remind|teach|choose|think)\b/

/** What a message is as a whole; undefined where it is something to think about. */
export function remarkOf(message: string): Remark | undefined {
  if (message.trim() === '') return { kind: 'empty' }
  const words = plain(message)
  const bare = words.replace(ADDRESS, '')
  if (GREETINGS.has(bare)) return { kind: 'greeting' }
  if (CLOSINGS.has(bare)) return { kind: 'closing' }
  const mode = MODES.find((each) => each === MODE_SWITCH.exec(words)?.[1])
  if (mode !== undefined) return { kind: 'mode switch', mode }
  return isShort(message, words) ? { kind: 'short' } : undefined
}

/** Lower case, one space between words, without marks and pictures around them. */
function plain(message: string): string {
  return message
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\u2018\u2019]/g, "'")
    .replace(/\s+/g, ' ')
    .replace(/^[^\p{L}\p{N}/]+|[^\p{L}\p{N}]+$/gu, '')
    .replace(/[,.!:;]+(?= |$)/g, '')
}

/** Made when a message needs it: it takes more time than all else in this file. */
let segmenter: Intl.Segmenter | undefined

function isShort(message: string, words: string): boolean {
  if (message.trim().length >= SHORT || /[?？؟]/.test(message) || ASKING.test(words)) return false
  segmenter ??= new Intl.Segmenter('en', { granularity: 'word' })
  return [...segmenter.segment(words)].filter(({ isWordLike }) => isWordLike).length <= SHORT_WORDS
}

type Kind = Exclude<Remark['kind'], 'mode switch'> | 'whisper' | 'fallback'

const TEMPLATES: Record<Kind, Record<Mode, string>> = {
  empty: {
    reflect: 'I am here. What is on your mind?',
    advise: 'I am here. What do you want to decide?',
    challenge: 'I am here. Which claim shall we test?',
    explore: 'I am here. Where shall we wander?',
  },
  greeting: {
    reflect: 'Hello. What has been on your mind?',
    advise: 'Hello. What are you weighing?',
    challenge: 'Hello. What are you sure of today?',
    explore: 'Hello. What caught your eye lately?',
  },
  closing: {
    reflect: 'Goodbye. Let it settle.',
    advise: 'Goodbye. Take the smallest step first.',
    challenge: 'Goodbye. Keep the doubt that was useful.',
    explore: 'Goodbye. Leave a door open somewhere.',
  },
  short: {
    reflect: 'I hear you. Can you say more?',
    advise: 'Noted. What would help you decide?',
    challenge: 'Noted. What would prove you wrong?',
    explore: 'Noted. What does it remind you of?',
  },
  whisper: {
    reflect: 'I hear you, and I keep it with me.',
    advise: 'I hear you. Sleep over it, then take the option that you can undo.',
    challenge: 'I hear you. Ask yourself what you would say if the opposite were true.',
    explore: 'I hear you. Follow the part that you did not plan to say.',
  },
  fallback: {
    reflect: 'I cannot think it through right now. What do you notice when you read your own words again?',
    advise: 'I cannot think it through right now. Write down two options and what each would cost you.',
    challenge: 'I cannot think it through right now. What is the strongest objection that you have heard?',
    explore: 'I cannot think it through right now. What if the opposite were true?',
  },
}

/** What is said in a mode without a model. */
export function templateOf(kind: Kind, mode: Mode): string {
  return TEMPLATES[kind][mode]
}
