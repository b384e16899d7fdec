// The C API: metadata, tensors, vocabulary, and the block formats.
#include "api/guard.h"
#include "api/handles.h"
#include "backend/cpu/kernels.h"

using namespace ds4;

namespace {

const Engine &core(const ds4x_engine *engine) {
    const Engine &e = *need(engine, "engine").core;
    e.check_usable(false);
    return e;
}
bool usable(const ds4x_engine *engine) noexcept { return engine && !engine->core->foreign_process(); }

ds4x_meta describe(const MetaValue &v) {
    ds4x_meta m{};
    m.type = v.type;
    m.item_type = v.item_type;
    m.count = v.count;
    m.i = v.as_i64();
    m.u = v.u;
    m.f = v.f;
    m.s = v.s.data();
    m.s_len = v.s.size();
    return m;
}

const MetaValue &find(const Engine &engine, const char *key) {
    engine.file().check_unchanged(); // strings and arrays are read from the mapping
    const MetaValue *v = engine.file().find(&need(key, "key"));
    if (!v) fail(DS4X_ERR_ARGUMENT, "%s has no metadata key \"%s\"", engine.file().path().c_str(), key);
    return *v;
}

// The types with a dequantiser, in the order of the traits table.
const TypeTraits *computable(uint32_t index) noexcept {
    size_t n;
    const TypeTraits *all = all_type_traits(&n);
    for (size_t i = 0; i < n; i++)
        if (all[i].dequantize && index-- == 0) return &all[i];
    return nullptr;
}

const TypeTraits &supported(int32_t type) {
    const TypeTraits *t = type_traits(type);
    if (!t || !t->dequantize) fail(DS4X_ERR_UNSUPPORTED, "ggml type %d has no dequantiser", type);
    return *t;
}

} // namespace

extern "C" {

DS4X_API uint64_t ds4x_meta_count(const ds4x_engine *engine) {
    return usable(engine) ? engine->core->file().meta_count() : 0;
}

DS4X_API const char *ds4x_meta_key(const ds4x_engine *engine, uint64_t index) {
    if (!usable(engine) || index >= engine->core->file().meta_count()) return nullptr;
    return engine->core->file().meta_key(size_t(index)).c_str();
}

DS4X_API int32_t ds4x_meta_get(const ds4x_engine *engine, const char *key, ds4x_meta *out, ds4x_error *err) {
    return guard(err, [&] { need(out, "out") = describe(find(core(engine), key)); });
}

DS4X_API int32_t ds4x_meta_item(const ds4x_engine *engine, const char *key, uint64_t index, ds4x_meta *out,
                                ds4x_error *err) {
    return guard(err, [&] { need(out, "out") = describe(find(core(engine), key).item(index)); });
}

DS4X_API uint64_t ds4x_tensor_count(const ds4x_engine *engine) {
    return usable(engine) ? engine->core->file().tensor_count() : 0;
}

DS4X_API int32_t ds4x_tensor_get(const ds4x_engine *engine, uint64_t index, ds4x_tensor *out, ds4x_error *err) {
    return guard(err, [&] {
        const GgufFile &file = core(engine).file();
        if (index >= file.tensor_count())
            fail(DS4X_ERR_ARGUMENT, "no tensor %llu: the file has %zu", (unsigned long long)index, file.tensor_count());
        const TensorInfo &t = file.tensor(size_t(index));
        ds4x_tensor &o = need(out, "out");
        o = ds4x_tensor{t.name, type_traits(t.type)->name, t.type, t.n_dims, {}, t.bytes};
        std::copy(t.dims, t.dims + 4, o.dims);
    });
}

// ---------------------------------------------------------------------------------------------------------- vocabulary

DS4X_API int32_t ds4x_tokenize(const ds4x_engine *engine, const char *text, size_t len, int32_t parse_special,
                               int32_t *out, size_t cap, size_t *n_out, ds4x_error *err) {
    return guard(err, [&] {
        if (len) need(text, "text");
        if (cap) need(out, "out");
        need(n_out, "n_out") = 0;
        std::vector<int32_t> ids;
        core(engine).tokenizer().encode(std::string_view(text, len), parse_special != 0, ids);
        *n_out = ids.size();
        std::copy_n(ids.begin(), std::min(cap, ids.size()), out);
        if (cap < ids.size()) fail(DS4X_ERR_BUFFER, "room for %zu tokens, the text has %zu", cap, ids.size());
    });
}

DS4X_API int32_t ds4x_detokenize(const ds4x_engine *engine, const int32_t *tokens, size_t n, char *out, size_t cap,
                                 size_t *n_out, ds4x_error *err) {
    return guard(err, [&] {
        if (n) need(tokens, "tokens");
        if (cap) need(out, "out");
        need(n_out, "n_out") = 0;
        const Engine &e = core(engine);
        const Tokenizer &t = e.tokenizer();
        size_t total = 0;
        for (size_t i = 0; i < n; i++) {
            if (tokens[i] < 0 || uint32_t(tokens[i]) >= e.config().n_vocab)
                fail(DS4X_ERR_TOKEN, "token %d at offset %zu is outside the vocabulary of %u", tokens[i], i,
                     e.config().n_vocab);
            const std::string_view b = t.bytes(tokens[i]);
            if (!b.empty() && total < cap) std::memcpy(out + total, b.data(), std::min(b.size(), cap - total));
            total += b.size();
        }
        *n_out = total;
        if (cap < total) fail(DS4X_ERR_BUFFER, "room for %zu bytes, the text has %zu", cap, total);
    });
}

DS4X_API int32_t ds4x_token_bytes(const ds4x_engine *engine, int32_t token, const char **out, size_t *len,
                                  ds4x_error *err) {
    return guard(err, [&] {
        const Engine &e = core(engine);
        const Tokenizer &t = e.tokenizer();
        if (token < 0 || uint32_t(token) >= e.config().n_vocab)
            fail(DS4X_ERR_TOKEN, "token %d is outside the vocabulary of %u", token, e.config().n_vocab);
        const std::string_view b = t.bytes(token);
        need(out, "out") = b.data() ? b.data() : "";
        need(len, "len") = b.size();
    });
}

DS4X_API int32_t ds4x_token_get_kind(const ds4x_engine *engine, int32_t token) {
    return usable(engine) && engine->core->has_tokenizer() ? engine->core->tokenizer().kind(token) : 0;
}

DS4X_API int32_t ds4x_token_find(const ds4x_engine *engine, const char *text, size_t len) {
    if (!usable(engine) || !engine->core->has_tokenizer() || !text) return -1;
    return engine->core->tokenizer().find(std::string_view(text, len));
}

// ------------------------------------------------------------------------------------------------------------- formats

DS4X_API uint32_t ds4x_quant_count(void) {
    uint32_t n = 0;
    while (computable(n)) n++;
    return n;
}

DS4X_API int32_t ds4x_quant_type(uint32_t index) {
    const TypeTraits *t = computable(index);
    return t ? int32_t(t->type) : -1;
}

DS4X_API int32_t ds4x_quant_block(int32_t type, const char **name, uint32_t *elements, uint32_t *bytes) {
    const TypeTraits *t = type_traits(type);
    if (!t) return DS4X_ERR_UNSUPPORTED;
    if (name) *name = t->name;
    if (elements) *elements = t->elements;
    if (bytes) *bytes = t->bytes;
    return DS4X_OK;
}

DS4X_API int32_t ds4x_dequantize(int32_t type, const void *blocks, uint64_t n, float *out, ds4x_error *err) {
    return guard(err, [&] {
        const TypeTraits &t = supported(type);
        if (n % t.elements)
            fail(DS4X_ERR_ARGUMENT, "n is %llu, expected a multiple of %u", (unsigned long long)n, t.elements);
        if (n) t.dequantize(&need(static_cast<const uint8_t *>(blocks), "blocks"), n, &need(out, "out"));
    });
}

DS4X_API int32_t ds4x_matmul(int32_t isa, int32_t type, const void *weights, uint64_t n_rows, uint64_t n_in,
                             const float *x, uint64_t n_tokens, int32_t exact, float *out, ds4x_error *err) {
    return guard(err, [&] {
        const TypeTraits &traits = supported(type);
        if (n_in == 0 || n_in % traits.elements || n_in > (1u << 24) || n_rows > (1u << 24) || n_tokens > (1u << 20))
            fail(DS4X_ERR_ARGUMENT, "n_in is %llu, expected a positive multiple of %u", (unsigned long long)n_in,
                 traits.elements);
        const MatmulKernels &k = *select_kernels(isa).matmul;
        const ActFormat format = act_format(traits.type, exact != 0);
        std::vector<int8_t> q(n_tokens * n_in);
        std::vector<float> d(n_tokens * (n_in / 32 + 1));
        std::vector<int32_t> sums(n_tokens * (n_in / 16 + 1));
        MatmulArgs a;
        a.w = &need(static_cast<const uint8_t *>(weights), "weights");
        a.row_bytes = n_in / traits.elements * traits.bytes;
        a.row_end = int64_t(n_rows);
        a.x.format = format;
        a.x.n_in = a.x.stride_f32 = int64_t(n_in);
        a.x.f32 = &need(x, "x");
        a.n_tokens = int64_t(n_tokens);
        a.y = &need(out, "out");
        a.y_stride = int64_t(n_rows);
        if (format != ActFormat::F32) {
            const bool wide = format == ActFormat::Q8_K;
            const uint64_t nd = n_in / (wide ? 256 : 32), ns = n_in / (wide ? 16 : 32);
            for (uint64_t t = 0; t < n_tokens; t++)
                (wide ? k.quantize_q8k : k.quantize_q8)(x + t * n_in, int64_t(n_in), q.data() + t * n_in,
                                                        d.data() + t * nd, sums.data() + t * ns);
            a.x.q = q.data();
            a.x.d = d.data();
            a.x.sums = sums.data();
        }
        k.find(traits.type, exact != 0)(a);
    });
}

} // extern "C"
