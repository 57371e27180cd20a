/**
 * Text of a person within the model's instructions: as data, in one line, without anything by which it could end its
 * quotation or speak as system. Control tokens of chat templates (`<|im_start|>`, `[INST]`, `<<SYS>>`, `{{ }}`) lose the
 * marks that they are made of.
 */
import { beginningOf } from '../../../../shared/beginning.ts'

/** Characters of one quotation. */
const LONGEST = 160

/** A quotation of `text`; what is left of it may be empty. */
export function quote(text: string): string {
  const plain = text
    .normalize('NFKC')
    .replaceAll(/[\p{C}\p{Z}\s]+/gu, ' ')
    .replaceAll(/[<>|[\]{}"“”„«»\\`▁]+/gu, '')
    .replaceAll(/ +/g, ' ')
    .trim()
  return `"${beginningOf(plain, LONGEST)}"`
}
