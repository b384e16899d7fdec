// The C API: engines, forward, sampling, profiling. Checks arguments; everything else happens below.
#include "api/access.h"

using namespace ds4;

namespace {

ds4x_options default_options() {
    ds4x_options o{};
    o.struct_size = sizeof o;
    return o;
}

void check_params(const ds4x_sample_params &p, uint32_t index) {
    if (p.struct_size != sizeof(ds4x_sample_params))
        fail(DS4X_ERR_ARGUMENT, "params[%u].struct_size is %u, expected %zu", index, p.struct_size,
             sizeof(ds4x_sample_params));
}

// Samples one entry; its own failure is in its status, and the first one also in err.
template <typename Row>
void sample_one(Row &&row, uint32_t n_vocab, ds4x_sample_params &p, SampleScratch &scratch, ds4x_error &first) {
    ds4x_error own;
    own.code = DS4X_OK;
    p.status = guard(&own, [&] { sample(row(), n_vocab, p, scratch); });
    if (p.status != DS4X_OK && first.code == DS4X_OK) first = own;
}

// What a span asks for and what became of it.
void take_span(const ds4x_span &in, ForwardSpan &s) {
    s.session = &core(in.session);
    s.tokens = in.n_tokens ? &need(in.tokens, "span.tokens") : nullptr;
    s.n_tokens = in.n_tokens;
    s.wanted = in.n_wanted ? &need(in.wanted, "span.wanted") : nullptr;
    s.n_wanted = in.n_wanted;
    s.cancel = in.cancel;
    s.abandon = in.abandon;
    s.mark_end = false;
}
void answer_span(Engine &engine, const ForwardSpan &s, ds4x_span &out, SampleScratch &scratch) {
    out.status = s.status;
    out.first_row = s.first_row;
    if (out.error) report(out.error, s.status, s.status == DS4X_OK ? "" : s.message);
    if (s.status != DS4X_OK || !out.sample) return;
    ds4x_sample_params &p = *out.sample;
    p.status = guard(out.error, [&] {
        check_params(p, 0);
        if (s.n_wanted == 0) fail(DS4X_ERR_ARGUMENT, "span.sample needs a row of logits: n_wanted is 0");
        p.row = s.first_row + s.n_wanted - 1;
        sample(engine.logits(p.row), engine.config().n_vocab, p, scratch);
    });
}

} // namespace

extern "C" {

DS4X_API uint32_t ds4x_abi_version(void) { return 3; }
DS4X_API const char *ds4x_version(void) { return DS4_VERSION; }

DS4X_API const char *ds4x_status_name(int32_t code) {
    static const char *const names[] = {
        "DS4X_OK",           "DS4X_ERR_ARGUMENT",    "DS4X_ERR_IO",      "DS4X_ERR_FORMAT",
        "DS4X_ERR_MODEL",    "DS4X_ERR_UNSUPPORTED", "DS4X_ERR_MEMORY",  "DS4X_ERR_TOKEN",
        "DS4X_ERR_CONTEXT",  "DS4X_ERR_CANCELLED",   "DS4X_ERR_STATE",   "DS4X_ERR_FORKED",
        "DS4X_ERR_NO_VOCAB", "DS4X_ERR_BUFFER",      "DS4X_ERR_BACKEND", "DS4X_ERR_INTERNAL"};
    return code >= 0 && size_t(code) < sizeof names / sizeof *names ? names[code] : "unknown";
}

// ------------------------------------------------------------------------------------------------------------- engines

DS4X_API void ds4x_options_init(ds4x_options *options, uint32_t struct_size) {
    if (!options || struct_size < sizeof(uint32_t) * 2) return;
    const ds4x_options defaults = default_options();
    std::memset(options, 0, struct_size);
    std::memcpy(options, &defaults, std::min<size_t>(struct_size, sizeof defaults));
    options->struct_size = struct_size;
}

DS4X_API int32_t ds4x_engine_open(const ds4x_options *options, ds4x_engine **out, ds4x_error *err) {
    return guard(err, [&] {
        need(out, "out") = nullptr;
        const ds4x_options o = versioned(options, default_options(), "options");
        EngineOptions e;
        e.model_path = &need(o.model_path, "options.model_path");
        e.backend = o.backend;
        e.kv_dtype = o.kv_dtype;
        e.vocab_only = o.vocab_only != 0;
        e.kv_bytes_max = o.kv_bytes_max;
        e.checkpoint_bytes_max = o.checkpoint_bytes_max;
        e.backend_options.n_threads = o.n_threads;
        e.backend_options.exact = o.exact != 0;
        e.backend_options.kv_simulation = o.kv_simulation != 0;
        e.backend_options.isa = o.isa;
        e.backend_options.n_batch = o.n_batch;
        e.backend_options.repack = o.repack != 0;
        e.log = o.log;
        e.log_user = o.log_user;
        auto handle = std::make_unique<ds4x_engine>();
        handle->core = Engine::open(e);
        *out = handle.release();
    });
}

DS4X_API void ds4x_engine_close(ds4x_engine *engine) {
    if (!engine || engine->core->foreign_process()) return; // the parent's threads and locks are not ours to free
    engine->core->close();
    { const std::lock_guard<std::mutex> running(engine->core->mutex()); } // what computes now ends undisturbed
    delete engine;
}

DS4X_API int32_t ds4x_engine_get_info(const ds4x_engine *engine, ds4x_engine_info *info, ds4x_error *err) {
    return guard(err, [&] {
        const Engine &e = core(engine);
        e.check_usable(false);
        const Config &c = e.config();
        ds4x_engine_info i{};
        i.struct_size = sizeof i;
        if (const Backend *b = e.backend()) {
            i.backend = b->kind();
            i.isa = b->isa();
            i.n_threads = b->n_threads();
        }
        i.exact = e.options().backend_options.exact;
        i.kv_dtype = e.kv_layout().f16 ? DS4X_KV_F16 : DS4X_KV_F32;
        i.kv_simulation = e.options().backend_options.kv_simulation;
        i.has_weights = e.has_weights();
        i.has_vocab = e.has_tokenizer();
        i.n_layer = c.n_layer;
        i.n_embd = c.n_embd;
        i.n_vocab = c.n_vocab;
        i.n_head = c.n_head;
        i.head_dim = c.head_dim;
        i.n_expert = c.n_expert;
        i.n_expert_used = c.n_expert_used;
        i.n_window = c.n_window;
        i.n_batch = e.n_batch();
        i.page_tokens = e.kv_layout().page_tokens;
        i.n_context_train = c.n_context_train;
        for (size_t t = 0; t < e.file().tensor_count(); t++) i.n_params += e.file().tensor(t).elements;
        i.file_bytes = e.file().file_bytes();
        i.weight_bytes = e.facts().weight_bytes;
        i.decode_bytes = e.facts().decode_bytes;
        i.token_bos = i.token_eos = i.token_user = i.token_assistant = i.token_think_open = i.token_think_close =
            i.token_dsml = -1;
        if (e.has_tokenizer()) {
            const Tokenizer &t = e.tokenizer();
            i.token_bos = t.bos();
            i.token_eos = t.eos();
            i.token_user = t.user();
            i.token_assistant = t.assistant();
            i.token_think_open = t.think_open();
            i.token_think_close = t.think_close();
            i.token_dsml = t.dsml();
        }
        i.page_bytes = e.kv_layout().page_bytes;
        i.state_bytes = e.kv_layout().state_bytes;
        std::snprintf(i.device, sizeof i.device, "%s", e.device_name().c_str());
        std::snprintf(i.backend_reason, sizeof i.backend_reason, "%s", e.backend_reason().c_str());
        versioned_out(info, i, "info");
    });
}

DS4X_API int32_t ds4x_memory_estimate(const ds4x_engine *engine, uint64_t n_ctx, uint32_t n_sessions, ds4x_memory *out,
                                      ds4x_error *err) {
    return guard(err, [&] {
        core(engine).check_usable(false);
        if (n_ctx > uint64_t(INT32_MAX))
            fail(DS4X_ERR_ARGUMENT, "n_ctx is %llu, expected 0 to %d", (unsigned long long)n_ctx, INT32_MAX);
        need(out, "out") = core(engine).memory_estimate(n_ctx, n_sessions);
    });
}

DS4X_API int32_t ds4x_memory_used(const ds4x_engine *engine, ds4x_memory *out, ds4x_error *err) {
    return guard(err, [&] {
        Engine &e = core(engine);
        const auto held = e.lock(false);
        need(out, "out") = e.memory_used();
    });
}

// ------------------------------------------------------------------------------------------------- forward and sampling

DS4X_API int32_t ds4x_forward(ds4x_engine *engine, ds4x_span *spans, uint32_t n_spans, const int32_t *cancel,
                              ds4x_error *err) {
    ds4x_error first{};
    const int32_t code = guard(err, [&] {
        Engine &e = core(engine);
        const auto held = e.lock();
        if (n_spans) need(spans, "spans");
        engine->spans.resize(n_spans);
        for (uint32_t i = 0; i < n_spans; i++) take_span(spans[i], engine->spans[i]);
        e.forward(engine->spans.data(), n_spans, cancel);
        for (uint32_t i = n_spans; i-- > 0;) {
            const ForwardSpan &s = engine->spans[i];
            answer_span(e, s, spans[i], engine->scratch);
            if (s.status != DS4X_OK) report(&first, s.status, s.message);
        }
    });
    if (code == DS4X_OK && first.code != DS4X_OK && err) *err = first;
    return code;
}

DS4X_API uint32_t ds4x_n_rows(const ds4x_engine *engine) { return engine ? engine->core->n_rows() : 0; }

DS4X_API int32_t ds4x_logits(ds4x_engine *engine, uint32_t row, float *out, size_t cap, ds4x_error *err) {
    return guard(err, [&] {
        Engine &e = core(engine);
        const auto held = e.lock();
        const float *logits = e.logits(row);
        if (cap < e.config().n_vocab)
            fail(DS4X_ERR_BUFFER, "room for %zu floats, a row of logits has %u", cap, e.config().n_vocab);
        std::memcpy(&need(out, "out"), logits, size_t(e.config().n_vocab) * sizeof(float));
    });
}

DS4X_API void ds4x_sample_params_init(ds4x_sample_params *params, uint32_t struct_size) {
    if (!params || struct_size < sizeof(uint32_t) * 2) return;
    ds4x_sample_params p{};
    p.temperature = 1;
    p.top_p = 1;
    p.repetition_penalty = 1;
    std::memset(params, 0, struct_size);
    std::memcpy(params, &p, std::min<size_t>(struct_size, sizeof p));
    params->struct_size = struct_size;
}

DS4X_API int32_t ds4x_sample(ds4x_engine *engine, ds4x_sample_params *params, uint32_t n, ds4x_error *err) {
    ds4x_error first{};
    const int32_t code = guard(err, [&] {
        Engine &e = core(engine);
        const auto held = e.lock();
        if (n) need(params, "params");
        for (uint32_t i = 0; i < n; i++) check_params(params[i], i); // all of them before the first is sampled
        for (uint32_t i = 0; i < n; i++)
            sample_one([&] { return e.logits(params[i].row); }, e.config().n_vocab, params[i], engine->scratch, first);
    });
    if (code == DS4X_OK && first.code != DS4X_OK && err) *err = first;
    return code;
}

DS4X_API int32_t ds4x_sample_logits(const float *logits, uint32_t n_vocab, ds4x_sample_params *params,
                                    ds4x_error *err) {
    ds4x_error first{};
    const int32_t code = guard(err, [&] {
        SampleScratch scratch;
        check_params(need(params, "params"), 0);
        need(logits, "logits");
        sample_one([&] { return logits; }, n_vocab, *params, scratch, first);
    });
    if (code == DS4X_OK && first.code != DS4X_OK && err) *err = first;
    return code == DS4X_OK ? first.code : code;
}

// ----------------------------------------------------------------------------------------------------------- profiling

DS4X_API int32_t ds4x_profile(ds4x_engine *engine, int32_t enable, ds4x_error *err) {
    return guard(err, [&] {
        Engine &e = core(engine);
        const auto held = e.lock();
        e.profile(enable != 0);
    });
}

DS4X_API uint32_t ds4x_profile_read(const ds4x_engine *engine, ds4x_op_time *out, uint32_t cap) {
    static const char *const names[] = {"embed", "hyper", "project", "compress", "attend", "experts", "head", "other"};
    static_assert(sizeof names / sizeof *names == size_t(Op::count));
    if (!engine || engine->core->foreign_process()) return 0;
    const std::lock_guard<std::mutex> held(engine->core->mutex());
    for (uint32_t i = 0; out && i < std::min(cap, uint32_t(Op::count)); i++) {
        const OpTime &t = engine->core->op_times()[i];
        out[i] = {names[i], t.calls, t.ns, t.bytes};
    }
    return uint32_t(Op::count);
}

DS4X_API uint32_t ds4x_profile_kernels(ds4x_engine *engine, ds4x_op_time *out, uint32_t cap) {
    uint32_t n = 0;
    guard(nullptr, [&] {
        Engine &e = core(engine);
        const auto held = e.lock();
        std::vector<BackendKernelTime> times(e.backend()->kernel_times(nullptr, 0));
        times.resize(std::min(times.size(), e.backend()->kernel_times(times.data(), times.size())));
        n = uint32_t(times.size());
        for (uint32_t i = 0; out && i < std::min(cap, n); i++) out[i] = {times[i].name, times[i].calls, times[i].ns, 0};
    });
    return n;
}

DS4X_API uint64_t ds4x_layers_computed(const ds4x_engine *engine) {
    return engine ? engine->core->layers_computed() : 0;
}

} // extern "C"
