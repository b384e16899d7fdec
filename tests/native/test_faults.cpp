// Every allocation refused in turn: opening models, asking about them, forwards, sampling, calls that are wrong anyway.
#include "fault_run.h"
#include "gguf/split.h"

using namespace fault_test;

namespace {

void read_facts(Run &run, Model &m) {
    ds4x_memory memory{};
    run.call("estimate", [&](ds4x_error *err) { return ds4x_memory_estimate(m.e, 1000, 2, &memory, err); });
    run.answer(&memory, sizeof memory);
    ds4x_meta meta{};
    for (uint64_t i = 0, n = ds4x_meta_count(m.e); i < n; i++)
        run.call("meta", [&](ds4x_error *err) { return ds4x_meta_get(m.e, ds4x_meta_key(m.e, i), &meta, err); });
    run.call("item", [&](ds4x_error *err) { return ds4x_meta_item(m.e, "tokenizer.ggml.tokens", 5, &meta, err); });
    run.answer(meta.s, meta.s_len);
    ds4x_tensor tensor{};
    for (uint64_t i = 0, n = ds4x_tensor_count(m.e); i < n; i++)
        run.call("tensor", [&](ds4x_error *err) { return ds4x_tensor_get(m.e, i, &tensor, err); });
    const char text[] = "<｜User｜>hello world, 12345\n\n and \xff more hello";
    int32_t ids[128];
    size_t n = 0, n_bytes = 0;
    for (const int32_t special : {0, 1}) {
        run.call("tokenize", [&](ds4x_error *err) {
            return ds4x_tokenize(m.e, text, sizeof text - 1, special, ids, 128, &n, err);
        });
        run.answer(ids, n * sizeof *ids);
    }
    char bytes[256];
    run.call("detokenize",
             [&](ds4x_error *err) { return ds4x_detokenize(m.e, ids, n, bytes, sizeof bytes, &n_bytes, err); });
    run.answer(bytes, n_bytes);
    uint8_t fingerprint[32];
    run.call("fingerprint", [&](ds4x_error *err) { return ds4x_fingerprint(m.e, fingerprint, err); });
    run.answer(fingerprint, sizeof fingerprint);
}

// Calls that are wrong for another reason say so, or that there is no memory to say it.
template <typename F> void wrong(Run &run, const char *what, int32_t expected, F &&f) {
    run.call(what, [&](ds4x_error *err) {
        const int32_t status = f(err);
        CHECK(status != DS4X_OK);
        return status == expected ? DS4X_OK : status;
    });
}

} // namespace

TEST(faults_opening_a_model_and_asking_about_it) {
    const Tiny tiny;
    std::string long_text;
    for (int i = 0; i < 300; i++) long_text += "hello well " + std::to_string(i);
    const uint64_t threads = faults::refused_threads();
    const Tally opened = refuse_each("open", [&](Run &run) {
        ds4x_options o = options(tiny.path);
        o.exact = 0;
        o.n_threads = 3;
        o.log = [](void *, int32_t, const char *) {};
        Model m;
        m.open(run, o);
        read_facts(run, m);
        std::vector<int32_t> ids(long_text.size());
        size_t n = 0;
        run.call("tokenize long", [&](ds4x_error *err) {
            return ds4x_tokenize(m.e, long_text.data(), long_text.size(), 0, ids.data(), ids.size(), &n, err);
        });
        run.answer(ids.data(), n * sizeof(int32_t));
        Timeline t;
        t.create(run, m);
        t.feed(run, m, all, 20);
    });
    if (opened.runs > 2 * opened.requests) CHECK(faults::refused_threads() - threads >= 2u * 2u); // each of two, twice
    const gguf_builder::Builder whole = tiny_model::make();
    const size_t half = whole.tensors.size() / 2;
    for (uint16_t part = 0; part < 2; part++) {
        gguf_builder::Builder b = part ? gguf_builder::Builder{} : whole;
        b.tensors.assign(whole.tensors.begin() + long(part ? half : 0),
                         part ? whole.tensors.end() : whole.tensors.begin() + long(half));
        b.add<uint16_t>("split.no", part).add<uint16_t>("split.count", 2);
        b.add<int32_t>("split.tensors.count", int32_t(whole.tensors.size()));
        tiny.dir.write(ds4::split_path("parts", part + 1u, 2), b.build());
    }
    const std::string parts = ds4::split_path(tiny.dir.path("parts"), 1, 2);
    refuse_each("open a split model", [&](Run &run) {
        Model m;
        m.open(run, options(parts));
        run.answer(&m.n_vocab, sizeof m.n_vocab);
    });
    refuse_each("open vocab_only", [&](Run &run) {
        ds4x_options o = options(tiny.path);
        o.vocab_only = 1;
        Model m;
        m.open(run, o);
        ds4x_session *s = nullptr;
        wrong(run, "no weights", DS4X_ERR_STATE, [&](ds4x_error *err) { return ds4x_session_create(m.e, 9, &s, err); });
        run.answer("", 0);
    });
}

TEST(faults_calls_that_are_wrong_anyway) {
    const Tiny tiny;
    std::vector<uint8_t> half(2000);
    if (FILE *f = std::fopen(tiny.path.c_str(), "rb")) {
        CHECK_EQ(std::fread(half.data(), 1, half.size(), f), half.size());
        std::fclose(f);
    }
    const std::string cut = tiny.dir.write("cut.gguf", half), missing = tiny.dir.path("missing.gguf");
    refuse_each("wrong calls", [&](Run &run) {
        ds4x_engine *e = nullptr;
        const auto open = [&](const ds4x_options &o, int32_t expected) {
            wrong(run, "open", expected, [&](ds4x_error *err) { return ds4x_engine_open(&o, &e, err); });
            CHECK(!e);
        };
        open(options(missing), DS4X_ERR_IO);
        open(options(cut), DS4X_ERR_FORMAT);
        ds4x_options o = options(tiny.path);
        o.kv_dtype = DS4X_KV_F16;
        open(o, DS4X_ERR_ARGUMENT);
        Model m;
        tiny.open(m);
        ds4x_meta meta{};
        wrong(run, "key", DS4X_ERR_ARGUMENT,
              [&](ds4x_error *err) { return ds4x_meta_get(m.e, "no.such", &meta, err); });
        Timeline t;
        t.create(run, m, 60);
        t.feed(run, m, all, 40);
        wrong(run, "n_ctx", DS4X_ERR_ARGUMENT, [&](ds4x_error *err) {
            ds4x_session *s;
            return ds4x_session_create(m.e, 0, &s, err);
        });
        wrong(run, "rewind", DS4X_ERR_ARGUMENT,
              [&](ds4x_error *err) { return ds4x_session_rewind(t.s, 41, nullptr, err); });
        wrong(run, "sync", DS4X_ERR_CONTEXT, [&](ds4x_error *err) {
            return ds4x_session_sync(t.s, all.data(), 61, nullptr, nullptr, nullptr, nullptr, err);
        });
        const int32_t cancel = 1;
        wrong(run, "cancelled", DS4X_ERR_CANCELLED, [&](ds4x_error *err) {
            return ds4x_session_sync(t.s, other.data(), 50, &cancel, nullptr, nullptr, nullptr, err);
        });
        t.tokens.clear(); // what it had in common with them
        wrong(run, "load", DS4X_ERR_FORMAT, [&](ds4x_error *err) {
            return ds4x_state_load(t.s, DS4X_STATE_PAGES, half.data(), 2000, nullptr, nullptr, err);
        });
        t.sync(run, m, first(all, 45));
    });
}

TEST(faults_forward_of_one_and_of_many) {
    const Tiny tiny;
    refuse_each("forward", [&](Run &run) {
        Model m;
        tiny.open(m, 0, false);
        Timeline t;
        t.create(run, m);
        t.feed(run, m, all, 70, 5);
        for (int i = 0; i < 5; i++) t.feed(run, m, all, 1);
        t.feed(run, m, all, 9, 9);
        t.feed(run, m, all, 110, 1);
        ds4x_memory used{};
        run.call("used", [&](ds4x_error *err) { return ds4x_memory_used(m.e, &used, err); });
    });
    refuse_each("batch", [&](Run &run) {
        Model m;
        tiny.open(m);
        constexpr uint32_t n = 4;
        Timeline t[n];
        for (Timeline &one : t) one.create(run, m);
        t[1].feed(run, m, all, 30);
        const uint32_t n_tokens[n] = {50, 1, 5, 70}, wanted[n] = {49, 0, 4, 69};
        std::vector<int32_t> bad = all;
        bad[3] = -1;
        bool done[n] = {};
        int attempts = 0;
        ds4x_error errors[n];
        ds4x_sample_params params[n];
        run.call("batch", [&](ds4x_error *err) {
            // Those that are left, each with a token drawn; the third one has a bad token and fails alone.
            ds4x_span spans[n] = {};
            uint32_t which[n], n_spans = 0;
            for (uint32_t i = 0; i < n; i++) {
                if (done[i]) continue;
                ds4x_span &s = spans[n_spans];
                which[n_spans++] = i;
                s.session = t[i].s;
                s.tokens = (i == 2 ? bad : all).data() + t[i].tokens.size();
                s.n_tokens = n_tokens[i];
                s.wanted = &wanted[i];
                s.n_wanted = 1;
                s.error = &errors[i];
                ds4x_sample_params_init(&params[i], sizeof params[i]);
                params[i].top_p = 0.9f;
                params[i].rng = 1;
                s.sample = &params[i];
            }
            attempts++;
            int32_t status = ds4x_forward(m.e, spans, n_spans, nullptr, err);
            if (status != DS4X_OK) return status;
            for (uint32_t k = 0; k < n_spans; k++) {
                const uint32_t i = which[k];
                if (i == 2 && spans[k].status == DS4X_ERR_TOKEN) continue;
                if (spans[k].status != DS4X_OK) {
                    CHECK_EQ(spans[k].status, errors[i].code);
                    CHECK_EQ(ds4x_session_pos(t[i].s), uint32_t(t[i].tokens.size()));
                    *err = errors[i];
                    status = spans[k].status;
                    continue;
                }
                if (params[i].status != DS4X_OK) { // the span stands; the draw is made again
                    CHECK_EQ(params[i].status, int32_t(DS4X_ERR_MEMORY));
                    CHECK_EQ(params[i].rng, 1u);
                    const faults::Scope calm(faults::Scope::watching);
                    CHECK_EQ(ds4x_sample(m.e, &params[i], 1, nullptr), int32_t(DS4X_OK));
                }
                done[i] = true;
            }
            return status;
        });
        for (const uint32_t i : {0u, 1u, 3u}) {
            CHECK(done[i]);
            t[i].tokens = first(all, t[i].tokens.size() + n_tokens[i]);
            run.answer(&params[i].token, sizeof params[i].token);
            run.answer(&params[i].rng, sizeof params[i].rng);
        }
        for (Timeline &one : t) one.feed(run, m, all, 12, 2);
    });
}

TEST(faults_sampling_and_formats) {
    constexpr uint32_t n_vocab = 1000;
    Floats logits(n_vocab);
    for (uint32_t i = 0; i < n_vocab; i++) logits[i] = float((i * 7919) % 1000) / 100;
    refuse_each("sampling", [&](Run &run) {
        for (const int variant : {0, 1, 2, 3}) {
            ds4x_sample_params p;
            ds4x_sample_params_init(&p, sizeof p);
            ds4x_token_score top[20];
            const int32_t penalised[] = {3, 5, 900};
            const float bias[] = {1, -1, 0.5f};
            p.rng = 7;
            if (variant & 1) p.top_k = 50, p.top_p = 0.9f, p.min_p = 0.01f;
            if (variant & 2) {
                p.penalty_tokens = p.bias_tokens = penalised;
                p.bias_values = bias;
                p.n_penalty = p.n_bias = 3;
                p.repetition_penalty = 1.5f;
                p.top = top;
                p.n_top = 20;
            }
            run.call(
                "sample", [&](ds4x_error *err) { return ds4x_sample_logits(logits.data(), n_vocab, &p, err); },
                [&] { CHECK(p.rng == 7 && p.status == DS4X_ERR_MEMORY); });
            run.answer(&p.token, sizeof p.token);
            run.answer(&p.rng, sizeof p.rng);
            run.answer(top, p.n_top_out * sizeof *top);
        }
        const uint8_t zero[4 * 34] = {}; // 4 rows of one Q8_0 block
        float out[4] = {};
        run.call("matmul", [&](ds4x_error *err) {
            return ds4x_matmul(DS4X_ISA_AUTO, 8, zero, 4, 32, logits.data(), 1, 0, out, err);
        });
        run.answer(out, sizeof out);
    });
}
