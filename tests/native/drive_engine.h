// Opens a model through the C API and uses all of it: facts, vocabulary, memory, one forward, a sample, a rewind.
#pragma once

#include "ds4x.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace drive_engine {

struct Result {
    int32_t opened = DS4X_ERR_INTERNAL;  // status of ds4x_engine_open
    int32_t forward = DS4X_ERR_INTERNAL; // of the span, when it was opened with weights
    std::string message;                 // of the first failure
    std::vector<float> logits;           // after the last token
};

inline void read_metadata(const ds4x_engine *engine) {
    ds4x_error err;
    const uint64_t n = ds4x_meta_count(engine);
    for (uint64_t i = 0; i < n; i++) {
        const char *key = ds4x_meta_key(engine, i);
        ds4x_meta v;
        if (ds4x_meta_get(engine, key, &v, &err) == DS4X_OK && v.count)
            ds4x_meta_item(engine, key, v.count - 1, &v, &err);
    }
    ds4x_tensor t;
    const uint64_t n_tensors = ds4x_tensor_count(engine);
    for (uint64_t i = 0; i < n_tensors; i++) ds4x_tensor_get(engine, i, &t, &err);
}

inline void read_vocabulary(const ds4x_engine *engine) {
    ds4x_error err;
    const std::string text("<｜User｜>hello world\n\n 12345 \xff\0漢字", 38);
    for (const int32_t special : {0, 1}) {
        int32_t ids[64];
        size_t n = 0;
        if (ds4x_tokenize(engine, text.data(), text.size(), special, ids, 64, &n, &err) != DS4X_OK) continue;
        char bytes[256];
        size_t n_bytes = 0;
        ds4x_detokenize(engine, ids, n, bytes, sizeof bytes, &n_bytes, &err);
    }
    const char *bytes = nullptr;
    size_t len = 0;
    for (const int32_t token : {-1, 0, 5, 258, 271, 272, INT32_MAX}) {
        ds4x_token_bytes(engine, token, &bytes, &len, &err);
        ds4x_token_get_kind(engine, token);
    }
    ds4x_token_find(engine, "hello", 5);
}

inline void compute(ds4x_engine *engine, uint32_t n_vocab, Result &result) {
    ds4x_error err;
    ds4x_session *session = nullptr;
    if (ds4x_session_create(engine, 64, &session, &err) != DS4X_OK) {
        result.message = err.message;
        return;
    }
    const int32_t tokens[] = {0, 1 % int32_t(n_vocab), 2 % int32_t(n_vocab), 3 % int32_t(n_vocab),
                              4 % int32_t(n_vocab)};
    const uint32_t wanted = 4;
    ds4x_span span{};
    span.session = session;
    span.tokens = tokens;
    span.n_tokens = 5;
    span.n_wanted = 1;
    span.wanted = &wanted;
    const int32_t rc = ds4x_forward(engine, &span, 1, nullptr, &err);
    result.forward = rc != DS4X_OK ? rc : span.status;
    if (result.forward != DS4X_OK) {
        result.message = err.message;
    } else {
        result.logits.resize(n_vocab);
        ds4x_logits(engine, span.first_row, result.logits.data(), n_vocab, &err);
        ds4x_sample_params params;
        ds4x_sample_params_init(&params, sizeof params);
        params.row = span.first_row;
        params.top_p = 0.9f;
        params.rng = 1;
        ds4x_sample(engine, &params, 1, &err);
        ds4x_session *fork = nullptr;
        if (ds4x_session_fork(session, &fork, &err) == DS4X_OK) ds4x_session_free(fork);
        ds4x_session_rewind(session, 1, nullptr, &err);
    }
    ds4x_session_free(session);
}

inline Result drive(const std::string &path, bool vocab_only, bool exact = false) {
    Result result;
    ds4x_options options;
    ds4x_options_init(&options, sizeof options);
    options.model_path = path.c_str();
    options.n_threads = 1;
    options.n_batch = 4;
    options.exact = exact;
    options.vocab_only = vocab_only;
    options.kv_bytes_max = 256u << 20;
    ds4x_engine *engine = nullptr;
    ds4x_error err;
    std::memset(&err, 0, sizeof err);
    result.opened = ds4x_engine_open(&options, &engine, &err);
    if (result.opened != DS4X_OK) {
        result.message = err.message;
        return result;
    }
    ds4x_engine_info info;
    std::memset(&info, 0, sizeof info);
    info.struct_size = sizeof info;
    ds4x_engine_get_info(engine, &info, &err);
    ds4x_memory memory;
    ds4x_memory_estimate(engine, 1000, 2, &memory, &err);
    read_metadata(engine);
    read_vocabulary(engine);
    if (!vocab_only) compute(engine, info.n_vocab, result);
    ds4x_engine_close(engine);
    return result;
}

} // namespace drive_engine
