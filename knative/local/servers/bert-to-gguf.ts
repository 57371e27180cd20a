/**
 * Turns a BERT embedding model as sentence-transformers publishes it (`config.json`, `vocab.txt`, `model.safetensors`)
 * into GGUF. Matrices are halved to 16 bits, which changes no ranking; vectors and positions stay as they are.
 *
 * It exists because no package of PyPI or npm holds an embedding model as GGUF (they hold safetensors, ONNX and formats of
 * their own), and llama.cpp's own converter needs PyTorch, which is larger than all that the platform fetches.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { writeGguf, type Tensor, type Value } from './gguf.ts'

const Config = z.object({
  model_type: z.literal('bert'),
  hidden_size: z.int(),
  intermediate_size: z.int(),
  num_attention_heads: z.int(),
  num_hidden_layers: z.int(),
  max_position_embeddings: z.int(),
  layer_norm_eps: z.number(),
})
type Config = z.infer<typeof Config>

/** Tensor names, there and here; both go on with `.weight` or `.bias`. */
const EMBEDDINGS = {
  'embeddings.word_embeddings': 'token_embd',
  'embeddings.token_type_embeddings': 'token_types',
  'embeddings.position_embeddings': 'position_embd',
  'embeddings.LayerNorm': 'token_embd_norm',
}
const LAYER = {
  'attention.self.query': 'attn_q',
  'attention.self.key': 'attn_k',
  'attention.self.value': 'attn_v',
  'attention.output.dense': 'attn_output',
  'attention.output.LayerNorm': 'attn_output_norm',
  'intermediate.dense': 'ffn_up',
  'output.dense': 'ffn_down',
  'output.LayerNorm': 'layer_output_norm',
}
/** llama.cpp adds these to what is in 32 bits, and wants them in the same. */
const WHOLE = new Set(['position_embd.weight', 'token_types.weight'])

/** Converts the model in `folder`, pooled by the mean, to the file `target`. */
export async function convertBert(folder: string, name: string, target: string): Promise<void> {
  const config = Config.parse(JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')))
  const vocabulary = (await readFile(join(folder, 'vocab.txt'), 'utf8')).trimEnd().split('\n')
  const weights = await readFile(join(folder, 'model.safetensors'))
  const names = namesOf(config)
  const tensors = readSafetensors(weights).flatMap(({ name, shape, data }): Tensor[] => {
    const [, stem = '', part = ''] = /^(.*)\.(weight|bias)$/.exec(name) ?? []
    const ours = `${names.get(stem)}.${part}`
    if (!names.has(stem)) return []
    const isWhole = shape.length === 1 || WHOLE.has(ours)
    return [{ name: ours, shape, data: isWhole ? data : Float16Array.from(data) }]
  })
  await writeGguf(target, { ...headerOf(config, name), ...vocabularyOf(vocabulary) }, tensors)
}

function namesOf({ num_hidden_layers: layers }: Config): Map<string, string> {
  const names = new Map(Object.entries(EMBEDDINGS))
  for (let layer = 0; layer < layers; layer += 1) {
    for (const [theirs, ours] of Object.entries(LAYER)) {
      names.set(`encoder.layer.${layer}.${theirs}`, `blk.${layer}.${ours}`)
    }
  }
  return names
}

function headerOf(config: Config, name: string): Record<string, Value> {
  return {
    'general.architecture': { type: 'string', value: 'bert' },
    'general.name': { type: 'string', value: name },
    'bert.block_count': { type: 'uint32', value: config.num_hidden_layers },
    'bert.context_length': { type: 'uint32', value: config.max_position_embeddings },
    'bert.embedding_length': { type: 'uint32', value: config.hidden_size },
    'bert.feed_forward_length': { type: 'uint32', value: config.intermediate_size },
    'bert.attention.head_count': { type: 'uint32', value: config.num_attention_heads },
    'bert.attention.layer_norm_epsilon': { type: 'float32', value: config.layer_norm_eps },
    'bert.attention.causal': { type: 'bool', value: false },
    'bert.pooling_type': { type: 'uint32', value: 1 }, // the mean of all tokens
  }
}

/** Word pieces: there those inside of a word are marked, here those that begin one. */
function vocabularyOf(vocabulary: readonly string[]): Record<string, Value> {
  const isControl = (token: string) => /^\[.+\]$/.test(token)
  const [unknown, separator, padding, start, mask] = ['[UNK]', '[SEP]', '[PAD]', '[CLS]', '[MASK]'].map(
    (token): Value => ({ type: 'uint32', value: vocabulary.indexOf(token) }),
  ) as [Value, Value, Value, Value, Value]
  const tokens = vocabulary.map((token) => {
    if (isControl(token)) return token
    return token.startsWith('##') ? token.slice(2) : `▁${token}`
  })
  return {
    'tokenizer.ggml.model': { type: 'string', value: 'bert' },
    'tokenizer.ggml.tokens': { type: 'strings', value: tokens },
    'tokenizer.ggml.token_type': {
      type: 'int32s',
      value: vocabulary.map((token) => (isControl(token) ? 3 : 1)),
    },
    'tokenizer.ggml.token_type_count': { type: 'uint32', value: 2 },
    // Without it llama.cpp reads tokens back with a space in front, and warns that it does.
    'tokenizer.ggml.add_space_prefix': { type: 'bool', value: true },
    'tokenizer.ggml.bos_token_id': start,
    'tokenizer.ggml.cls_token_id': start,
    'tokenizer.ggml.unknown_token_id': unknown,
    'tokenizer.ggml.seperator_token_id': separator, // sic: GGUF spells it so
    'tokenizer.ggml.padding_token_id': padding,
    'tokenizer.ggml.mask_token_id': mask,
  }
}

const SafetensorsHeader = z.record(
  z.string(),
  z.object({
    dtype: z.string(),
    shape: z.array(z.int()),
    data_offsets: z.tuple([z.int(), z.int()]),
  }),
)

/** The 32-bit tensors of a file in the safetensors format: the length of a JSON header, that header, the numbers. */
function readSafetensors(file: Buffer): (Tensor & { data: Float32Array })[] {
  const start = 8 + Number(file.readBigUInt64LE(0))
  const { __metadata__: _, ...header } = JSON.parse(file.toString('utf8', 8, start)) as Record<
    string,
    unknown
  >
  return Object.entries(SafetensorsHeader.parse(header)).flatMap(([name, { dtype, shape, data_offsets }]) => {
    if (dtype !== 'F32') return []
    const [from, to] = data_offsets
    // A copy, because numbers of 32 bits must lie on a multiple of four.
    return [
      {
        name,
        shape,
        data: new Float32Array(Uint8Array.from(file.subarray(start + from, start + to)).buffer),
      },
    ]
  })
}
