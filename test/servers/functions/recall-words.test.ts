/** Words of all scripts, as they are kept and as they are looked for. */
import { describe, expect } from 'vitest'
import { playEmbedder } from './meaning.ts'
import { testWith, type Tenant, type World } from './world.ts'

const test = testWith()

async function remember(tenant: Tenant, content: string, tags: string[] = []): Promise<void> {
  const { status } = await tenant.calls('POST', '/v1/agentese/self/memory/engram', { content, tags })
  if (status !== 200) throw new Error(`Cannot remember "${content}": ${status}`)
}

/** What is found by words, best first. */
async function find(tenant: Tenant, query: string, more: object = {}): Promise<string[]> {
  const input = { query, mode: 'keyword', limit: 20, ...more }
  const { body } = await tenant.calls('POST', '/v1/agentese/self/memory/recall', input)
  return body.result.results.map(({ summary }: { summary: string }) => summary)
}

describe('self.memory.recall by words', () => {
  test.for([
    ['19.99', 'The lamp costs 19.99 euros', 'The lamp costs 18.99 euros'],
    ['19.99', '这个灯的价格是19.99元', '这个灯的价格是18.99元'],
    ['10.0.0.1', 'The router is 10.0.0.1.', 'The printer is 10.0.0.2.'],
    ['10.0.0.1', 'Open http://10.0.0.1:8080/status', 'Open http://10.0.0.2:8080/status'],
    ['a@b.de', 'Write to <a@b.de>, please', 'Write to <a@c.com>, please'],
    ['b.de', 'Write to a@b.de', 'Write to a@c.com'],
    ['I/O', 'The disk I/O is slow', 'The disk is slow'],
    ['io', 'The disk I/O is slow', 'The disk is slow'],
    ["don't", "I don't like figs", 'I like figs'],
    ['don’t', "I don't like figs", 'I like figs'],
    ['email', 'Send an e-mail', 'Send a letter'],
    ['C++', 'She writes C++', 'She writes Go'],
    ['4711', 'The code is 4711', 'The code is 4712'],
    ['who', 'The Who play tonight', 'A band plays tonight'],
    ['हिन्दी', 'वह हिन्दी बोलती है', 'वह तमिल बोलती है'],
    ['தமிழ்', 'அவள் தமிழ் பேசுகிறாள்', 'அவள் ஹிந்தி பேசுகிறாள்'],
    ['鈴虫', '庭で鈴虫が鳴いている', '庭で犬が鳴いている'],
    ['鈴虫はどこにいますか', '庭で鈴虫が鳴いている', '庭で犬が鳴いている'],
    ['时光', '美好的时光过得很快', '美好的一天过得很快'],
    ['猫', '私の猫は寝ている', '私の犬は寝ている'],
    ['แมว', 'ฉันมีแมวสองตัว', 'ฉันมีหมาสองตัว'],
    ['ឆ្មា', 'ខ្ញុំមានឆ្មាពីរ', 'ខ្ញុំមានឆ្កែពីរ'],
    ['고양이', '고양이가 소파에서 잔다', '강아지가 소파에서 잔다'],
    ['книга', 'Я читаю книгу', 'Я читаю газету'],
    ['книгами', 'Моя книга на столе', 'Моя газета на столе'],
    ['książka', 'Czytam książkę', 'Czytam gazetę'],
    ['libros', 'Leo un libro', 'Leo un diario'],
    ['كتاب', 'قرأت الكتاب أمس', 'قرأت الجريدة أمس'],
    ['בית', 'אני גר בבית גדול', 'אני גר בעיר גדולה'],
    ['βιβλίο', 'Διαβάζω τα βιβλία', 'Διαβάζω τα νέα'],
    ['ΟΔΟΣ', 'Η οδός είναι κλειστή', 'Η γέφυρα είναι κλειστή'],
    ['библотеека', 'Моя библиотека', 'Моя комната'],
    ['zürich', 'ZU\u0308RICH im Winter', 'Genf im Winter'],
    ['Zurich', 'Zürich im Winter', 'Genf im Winter'],
    ['strasse', 'Die Straße ist gesperrt', 'Die Brücke ist gesperrt'],
    ['STRAẞE', 'Die Strasse ist gesperrt', 'Die Brücke ist gesperrt'],
    ['istanbul', 'İSTANBUL güzel', 'Ankara güzel'],
    ['ｆｕｌｌ', 'The disk is full', 'The disk is empty'],
    ['елка', 'Ёлка стоит', 'Сосна стоит'],
    ['كتب', 'كَتَبَ الرسالة', 'قرأ الرسالة'],
    ['4711', 'الرمز ٤٧١١', 'الرمز ٤٧١٢'],
    ['👍', 'Release 👍🏽', 'Release 👎🏽'],
    ['running', 'She runs every morning', 'She sings every morning'],
    ['databases', 'The database is full', 'The disk is full'],
    ['€', 'How much is that in € ?', 'How much is that in ¥ ?'],
    ['C#', 'She writes C#, mostly', 'She writes C and C++'],
    ['1,000,000', 'It cost $1,000,000', 'It cost $2,000,000'],
    ['1000000', 'Es kostet 1.000.000 Euro', 'Es kostet 2.000.000 Euro'],
    ['3,14', 'Es wiegt 3,14kg', 'Es wiegt 3,15kg'],
    ['19.99', 'The lamp: CHF19.99', 'The lamp: CHF18.99'],
    ['2.0', 'Release v2.0 is out', 'Release v2.1 is out'],
    ['v2.0', 'Version 2.0 is out', 'Version 2.1 is out'],
    ['5km', 'We ran 5 km', 'We ran 6 km'],
    ['A12', 'Room A-12', 'Room A-13'],
    ['12:30', 'Lunch at 12:30–13:00', 'Lunch at 13:30–14:00'],
    ['0446681800', 'Call 044-668-18-00', 'Call 044-668-18-01'],
    ['9783161484100', 'ISBN 978-3-16-148410-0', 'ISBN 978-3-16-148410-1'],
    ['کتاب', 'قرأت كتاب', 'قرأت جريدة'],
    ['مدرسه', 'ذهب إلى مدرسة', 'ذهب إلى سوق'],
    ['학교에서', '우리 학교는 크다', '우리 시장은 크다'],
    ['食べる', '彼は寿司を食べた', '彼は寿司を売った'],
    ['走った', '彼は毎朝走る', '彼は毎朝泳ぐ'],
  ])('finds %j in %j', async ([query = '', wanted = '', other = ''], { newTenant }) => {
    const tenant = await newTenant()
    for (const text of [other, wanted]) await remember(tenant, text)
    expect(await find(tenant, query)).toEqual([wanted])
  })

  test('puts a word before its other forms, and those before what is only like it', async ({ newTenant }) => {
    const tenant = await newTenant()
    const texts = ['Книга лежит на столе', 'Я читаю книгу', 'Он любит книги']
    for (const text of [...texts, 'Собака спит']) await remember(tenant, text)
    const found = await find(tenant, 'книгу')
    expect(found[0]).toBe('Я читаю книгу')
    expect(found.toSorted()).toEqual(texts.toSorted())
    await remember(tenant, 'Version 2.10.1 is out')
    await remember(tenant, 'state-of-the-art')
    expect(await find(tenant, '2.10')).toEqual([])
    expect(await find(tenant, 'state of the art')).toEqual(['state-of-the-art'])
    expect(await find(tenant, '2.10.1')).toEqual(['Version 2.10.1 is out'])
  })

  test('compares tags whatever their case and composition are', async ({ newTenant }) => {
    const tenant = await newTenant()
    await remember(tenant, 'Fondue', ['Zürich'])
    await remember(tenant, 'Raclette', ['Genf'])
    for (const tag of ['ZÜRICH', 'zu\u0308rich']) {
      expect(await find(tenant, 'fondue raclette', { tags: [tag] })).toEqual(['Fondue'])
      const { body } = await tenant.calls('POST', '/v1/agentese/self/memory/bytag', { tag })
      expect(body.result.memories).toMatchObject([{ content: 'Fondue', tags: ['Zürich'] }])
    }
  })
})

describe('self.memory.recall in a script that the model does not know', () => {
  /** As a model that reads Latin letters alone: all else is the same to it. */
  const readsLatin: Parameters<World['settles']>[1] = (message) => {
    const texts = 'texts' in message.request ? message.request.texts : []
    const unread = texts.flatMap((text, at) =>
      /^[\p{Script=Latin}\p{Script=Common}]*$/u.test(text) ? [] : [at],
    )
    return { ...(playEmbedder()?.(message) as object), unread }
  }

  async function ask(tenant: Tenant, query: string, settles: World['settles']) {
    const { status, body } = await tenant.calls('POST', '/v1/agentese/self/memory/recall', { query })
    if (status === 200) return body.result
    await settles(tenant, readsLatin)
    return (await tenant.calls('GET', body.links.self)).body.job.result
  }

  test('is by words alone, and the answer says so', async ({ newTenant, settles, owner }) => {
    const tenant = await newTenant()
    for (const text of ['แมวนอนบนโซฟา', 'หมานอนบนพื้น']) await remember(tenant, text)
    await settles(tenant, readsLatin)
    expect(await ask(tenant, 'แมว', settles)).toMatchObject({
      mode: 'keyword',
      words_because: 'unknown_script',
    })
    await remember(tenant, 'Our cat eats salmon')
    await settles(tenant, readsLatin)
    for (let times = 0; times < 2; times += 1) {
      expect(await ask(tenant, 'แมว', settles)).toMatchObject({
        mode: 'keyword',
        words_because: 'unknown_script',
        words_only: 2,
        waiting: 0,
        results: [{ summary: 'แมวนอนบนโซฟา', by: ['words'] }],
      })
      expect(await ask(tenant, 'ไก่', settles)).toMatchObject({ count: 0, words_because: 'unknown_script' })
      expect(await ask(tenant, 'a pet and fish', settles)).toMatchObject({
        mode: 'hybrid',
        words_because: null,
        results: [{ summary: 'Our cat eats salmon', by: ['meaning'] }],
      })
    }
    const { body } = await tenant.calls('POST', '/v1/agentese/self/memory/status', {})
    expect(body.result).toMatchObject({ embedded: 1, words_only: 2, waiting: 0 })
    expect(
      await owner`select from recall_entries where tenant_id = ${tenant.id} and vector is not null`,
    ).toHaveLength(1)
  })
})
