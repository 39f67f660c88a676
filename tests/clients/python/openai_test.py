#!/usr/bin/env python3
"""The official OpenAI client against the real server. usage: openai_test.py PATH_TO_SACCADE SOURCE_DIR [TEST...]"""

import asyncio
import json
import pathlib
import subprocess
import sys
import unittest

import openai

PROGRAM = sys.argv[1]
ROOT = pathlib.Path(sys.argv[2]).resolve()
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from server_process import ServerProcess, data_url  # noqa: E402

MODEL = ROOT / "models" / "saccade-mini.gguf"
DEMO = [json.loads(line) for line in (ROOT / "samples" / "demo.jsonl").read_text().splitlines()]
# A high temperature hardly ever draws the token that ends an answer.
LONG = {"temperature": 100, "max_tokens": 1500, "seed": 1}


def question(item, **image):
    url = data_url(ROOT / "samples" / item["image"])
    return {
        "role": "user",
        "content": [{"type": "image_url", "image_url": {"url": url, **image}}, {"type": "text", "text": item["question"]}],
    }


def user(text):
    return {"role": "user", "content": text}


class OpenAiClient(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = ServerProcess(PROGRAM, MODEL, "--threads", 2)
        cls.client = openai.OpenAI(base_url=cls.server.url + "/v1", api_key="none", max_retries=0, timeout=120)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        assert cls.server.stop() == 0

    def chat(self, *messages, **settings):
        return self.client.chat.completions.create(model="saccade-mini", messages=list(messages), **settings)

    def fails(self, kind, *messages, **settings):
        with self.assertRaises(kind) as caught:
            self.chat(*messages, **settings)
        self.assertTrue(caught.exception.response.headers["x-request-id"].startswith("req-"))
        return caught.exception

    def test_lists_the_model(self):
        models = self.client.models.list().data
        self.assertEqual([model.id for model in models], ["saccade-mini"])
        self.assertTrue(models[0].takes_pictures)

    def test_answers_about_pictures_as_the_program_does(self):
        for item in DEMO:
            answer = self.chat(question(item))
            asked = subprocess.run(
                [PROGRAM, "ask", MODEL, "--threads", "2", "--image", ROOT / "samples" / item["image"], "--json", item["question"]],
                capture_output=True, text=True, check=True,
            )
            self.assertEqual(answer.choices[0].message.content, json.loads(asked.stdout)["answer"])
            tokens = json.loads(asked.stdout)["receipt"]["tokens"]
            self.assertEqual(answer.usage.prompt_tokens, tokens["text"] + tokens["visual"])
            self.assertEqual(answer.usage.completion_tokens, tokens["generated"])
            self.assertEqual(answer.usage.prompt_tokens_details.image_tokens, tokens["visual"])

    def test_has_what_the_api_has(self):
        raw = self.client.chat.completions.with_raw_response.create(model="saccade-mini", messages=[question(DEMO[0])])
        answer = raw.parse()
        self.assertEqual(raw.headers["x-request-id"], answer.id)
        self.assertEqual(answer.object, "chat.completion")
        self.assertEqual(answer.model, "saccade-mini")
        self.assertTrue(answer.system_fingerprint.startswith("fp_"))
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        self.assertEqual(answer.choices[0].message.role, "assistant")
        self.assertEqual(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)
        self.assertEqual(answer.saccade["request_id"], answer.id)
        self.assertEqual(answer.saccade["plan"], "full")

    def test_streams_the_same_answer(self):
        whole = self.chat(question(DEMO[0]))
        chunks = list(self.chat(question(DEMO[0]), stream=True, stream_options={"include_usage": True}))
        self.assertEqual(chunks[0].choices[0].delta.role, "assistant")
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        self.assertEqual(text, whole.choices[0].message.content)
        self.assertEqual(chunks[-2].choices[0].finish_reason, "stop")
        self.assertEqual(chunks[-2].saccade["request_id"], chunks[-2].id)
        self.assertEqual(chunks[-1].choices, [])
        self.assertEqual(chunks[-1].usage.completion_tokens, whole.usage.completion_tokens)
        self.assertEqual({chunk.id for chunk in chunks}, {chunks[0].id})
        self.assertTrue(all(chunk.usage is None for chunk in chunks[:-1]))
        plain = list(self.chat(user("Hello"), stream=True))
        self.assertEqual(plain[-1].choices[0].finish_reason, "stop")
        self.assertIsNone(plain[-1].usage)

    def test_tells_how_likely_its_tokens_were(self):
        asked = {"logprobs": True, "top_logprobs": 3}
        plain = self.chat(question(DEMO[0])).choices[0]
        self.assertIsNone(plain.logprobs)
        choice = self.chat(question(DEMO[0]), **asked).choices[0]
        self.assertEqual(choice.message.content, plain.message.content)
        tokens = choice.logprobs.content
        self.assertEqual(bytes(byte for token in tokens for byte in token.bytes).decode().strip(), choice.message.content.strip())
        for token in tokens:
            self.assertEqual(len(token.top_logprobs), 3)
            self.assertEqual((token.token, token.logprob), (token.top_logprobs[0].token, token.top_logprobs[0].logprob))
            self.assertLessEqual(token.logprob, 0)
        streamed = []
        for chunk in self.chat(question(DEMO[0]), stream=True, **asked):
            if chunk.choices[0].logprobs:
                streamed += chunk.choices[0].logprobs.content
            self.assertTrue(chunk.choices[0].logprobs or not chunk.choices[0].delta.content)
        self.assertEqual([token.bytes for token in streamed], [token.bytes for token in tokens])
        for streamed_token, token in zip(streamed, tokens):
            self.assertAlmostEqual(streamed_token.logprob, token.logprob, delta=1e-3)

    def test_goes_on_with_a_conversation(self):
        first = self.chat(question(DEMO[0]))
        turn = {"role": "assistant", "content": first.choices[0].message.content}
        second = self.chat(question(DEMO[0]), turn, user("What is the date?"))
        self.assertTrue(second.choices[0].message.content)
        self.assertGreater(second.usage.prompt_tokens, first.usage.prompt_tokens)
        self.assertGreater(second.usage.prompt_tokens_details.cached_tokens, second.usage.prompt_tokens_details.image_tokens)

    def test_looks_as_finely_as_it_is_told(self):
        low = self.chat(question(DEMO[0], detail="low"))
        high = self.chat(question(DEMO[0], detail="high"))
        self.assertLess(low.usage.prompt_tokens_details.image_tokens, high.usage.prompt_tokens_details.image_tokens)

    def test_knows_a_picture_by_its_uuid(self):
        message = question(DEMO[0])
        whole = self.chat(message)
        message["content"][0]["uuid"] = "receipt"
        self.assertEqual(self.chat(message).choices[0].message.content, whole.choices[0].message.content)
        message["content"][0]["image_url"] = {"url": ""}
        self.assertEqual(self.chat(message).choices[0].message.content, whole.choices[0].message.content)
        message["content"][0]["uuid"] = "another"
        self.assertEqual(self.fails(openai.BadRequestError, message).code, "unknown_uuid")

    def test_ends_where_it_is_told(self):
        whole = self.chat(question(DEMO[0])).choices[0].message.content
        stop = whole[3]
        stopped = self.chat(question(DEMO[0]), stop=[stop, "never"])
        self.assertEqual(stopped.choices[0].message.content, whole.split(stop)[0])
        self.assertEqual(stopped.choices[0].finish_reason, "stop")
        self.assertEqual(self.chat(question(DEMO[0]), stop=stop).choices[0].message.content, whole.split(stop)[0])
        for name in ("max_tokens", "max_completion_tokens"):
            cut = self.chat(question(DEMO[0]), **{name: 2})
            self.assertEqual(cut.choices[0].finish_reason, "length")
            self.assertEqual(cut.usage.completion_tokens, 2)

    def test_draws_by_its_seed(self):
        def draw(seed):
            return self.chat(user("Hello"), temperature=2, seed=seed, max_tokens=12).choices[0].message.content

        self.assertEqual(draw(5), draw(5))
        self.assertGreater(len({draw(seed) for seed in range(8)}), 1)

    def test_draws_several_answers(self):
        answer = self.chat(user("Hello"), n=4, temperature=2, seed=5, max_tokens=12)
        self.assertEqual([choice.index for choice in answer.choices], [0, 1, 2, 3])
        texts = [choice.message.content for choice in answer.choices]
        self.assertGreater(len(set(texts)), 1)
        self.assertEqual(texts[0], self.chat(user("Hello"), temperature=2, seed=5, max_tokens=12).choices[0].message.content)
        streamed = [""] * 4
        for chunk in self.chat(user("Hello"), n=4, temperature=2, seed=5, max_tokens=12, stream=True):
            streamed[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
        self.assertEqual(streamed, texts)

    def test_keeps_budgets(self):
        answer = self.chat(question(DEMO[0]), extra_body={"saccade": {"max_latency_ms": 60_000, "min_quality": 0.5}})
        self.assertTrue(answer.saccade["budget"]["met_latency"])
        self.assertEqual(answer.saccade["budget"]["asked"]["min_quality"], 0.5)
        self.assertGreater(answer.saccade["budget"]["asked"]["waited_ms"], 0)
        answer = self.chat(question(DEMO[0]), extra_headers={"x-saccade-max-latency-ms": "60000"})
        self.assertEqual(answer.saccade["budget"]["asked"]["max_latency_ms"], 60_000)
        answer = self.chat(question(DEMO[0]), extra_body={"saccade": {"plan": "keep=100,strategy=uniform"}})
        self.assertEqual(answer.usage.prompt_tokens_details.image_tokens, 100)

    def test_says_what_can_not_be_kept(self):
        strict = {"saccade": {"max_latency_ms": 0.001, "mode": "strict"}}
        patient = self.client.with_options(max_retries=2)
        with self.assertRaises(openai.RateLimitError) as caught:
            patient.chat.completions.create(model="saccade-mini", messages=[question(DEMO[0])], extra_body=strict)
        self.assertEqual(caught.exception.code, "budget_exceeded")
        self.server.logged(caught.exception.response.headers["x-request-id"])
        refused = [entry for entry in self.server.log() if entry["status"] == 429]
        self.assertEqual(len(refused), 1, "the client must not ask again")

    def test_says_what_is_wrong(self):
        self.assertEqual(self.fails(openai.BadRequestError, user("x"), temperature=-1).param, "temperature")
        self.assertEqual(self.fails(openai.BadRequestError, user("x"), n=0).param, "n")
        self.assertEqual(self.fails(openai.BadRequestError, {"role": "wizard", "content": "x"}).param, "messages[0].role")
        self.assertEqual(self.fails(openai.BadRequestError, user("x"), top_logprobs=2).param, "top_logprobs")
        broken = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
        error = self.fails(openai.BadRequestError, {"role": "user", "content": [broken]})
        self.assertEqual(error.param, "messages[0].content[0]")
        error = self.fails(openai.APIStatusError, user("word " * 5000))
        self.assertEqual(error.status_code, 413)
        self.assertIn("context", error.message)
        with self.assertRaises(openai.NotFoundError) as caught:
            self.client.chat.completions.create(model="gpt-4o", messages=[user("x")])
        self.assertEqual(caught.exception.param, "model")
        with self.assertRaises(openai.NotFoundError):
            self.client.completions.create(model="saccade-mini", prompt="x")

    def test_embeds_texts_and_pictures(self):
        pictures = [{"type": "message", "content": [question(item)["content"][0]]} for item in DEMO[:2]]
        inputs = ["a receipt", "a login page", *pictures]
        answer = self.client.embeddings.create(model="saccade-mini", input=inputs)  # the client asks for base64
        self.assertEqual([entry.index for entry in answer.data], [0, 1, 2, 3])
        self.assertEqual({entry.space for entry in answer.data}, {"pooled"})
        self.assertEqual(answer.saccade["space"], "pooled")
        self.assertEqual(answer.usage.prompt_tokens, answer.usage.total_tokens)
        self.assertGreater(answer.usage.prompt_tokens_details["image_tokens"], 0)
        length = answer.saccade["dimensions"]
        for i, entry in enumerate(answer.data):
            self.assertEqual(len(entry.embedding), length)
            self.assertAlmostEqual(sum(value * value for value in entry.embedding), 1, places=4)
            alone = self.client.embeddings.create(
                model="saccade-mini", input=[inputs[i]], encoding_format="float", dimensions=length
            )
            self.assertEqual(len(alone.data), 1)
            for value, same in zip(alone.data[0].embedding, entry.embedding):
                self.assertAlmostEqual(value, same, delta=1e-3)
        single = self.client.embeddings.create(model="saccade-mini", input="a receipt")
        self.assertEqual(len(single.data), 1)

    def test_says_what_can_not_be_embedded(self):
        for asked, param in (
            ({"input": ["x", ""]}, "input[1]"), ({"input": [1, 2]}, "input[0]"), ({"input": "x", "dimensions": 3}, "dimensions"),
            ({"input": [{"content": [{"type": "image_url", "image_url": {"url": "data:;base64,AAAA"}}]}]}, "input[0].content[0]"),
            ({"input": ["x", "word " * 5000]}, "input[1]"), ({"input": "x", "encoding_format": "int8"}, "encoding_format"),
        ):
            with self.assertRaises(openai.APIStatusError) as caught:
                self.client.embeddings.create(model="saccade-mini", **asked)
            self.assertEqual(caught.exception.param, param, caught.exception.message)

    def test_stops_when_the_client_goes_away(self):
        stream = self.chat(user("Hello"), stream=True, n=16, **LONG)
        chunk = next(iter(stream))
        stream.close()
        entry = self.server.logged(chunk.id)
        self.assertTrue(entry["cancelled"])
        self.assertLess(entry["completion_tokens"], 16 * LONG["max_tokens"])
        self.assertTrue(self.chat(user("Hello")).choices[0].message.content)

    def test_answers_many_at_a_time(self):
        async def ask_all():
            async with openai.AsyncOpenAI(base_url=self.server.url + "/v1", api_key="none", max_retries=0, timeout=120) as client:
                asked = [client.chat.completions.create(model="saccade-mini", messages=[question(item)]) for item in DEMO * 4]
                return await asyncio.gather(*asked)

        alone = [self.chat(question(item)).choices[0].message.content for item in DEMO]
        together = [answer.choices[0].message.content for answer in asyncio.run(ask_all())]
        self.assertEqual(together, alone * 4)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
