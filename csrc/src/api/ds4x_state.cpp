// The C API: sessions as bytes. Checks arguments; the formats are in kv/.
#include "api/access.h"
#include "kv/payload.h"
#include "kv/snapshot.h"

using namespace ds4;

namespace {

void check_format(int32_t format, bool saved_without_logits = false) {
    if (format != DS4X_STATE_PAGES && format != DS4X_STATE_PAYLOAD)
        fail(DS4X_ERR_ARGUMENT, "format is %d, expected DS4X_STATE_PAGES (%d) or DS4X_STATE_PAYLOAD (%d)", format,
             DS4X_STATE_PAGES, DS4X_STATE_PAYLOAD);
    if (format == DS4X_STATE_PAYLOAD && saved_without_logits)
        fail(DS4X_ERR_ARGUMENT, "DS4X_STATE_PAYLOAD needs the last token's logits: give them or use DS4X_STATE_PAGES");
}

uint64_t bytes_of(const Session &s, int32_t format, bool with_logits) {
    return format == DS4X_STATE_PAYLOAD ? payload_bytes(s) : snapshot_bytes(s, with_logits);
}

void save(Session &s, int32_t format, const float *logits, ByteSink &sink) {
    if (format == DS4X_STATE_PAYLOAD)
        save_payload(s, logits, sink);
    else
        save_snapshot(s, s.engine().fingerprint(), logits, sink);
}

void load(Session &s, int32_t format, ByteSource &source, uint64_t n_bytes, float *logits, int32_t *has_logits) {
    std::vector<float> saved;
    bool has = true;
    if (format == DS4X_STATE_PAYLOAD)
        load_payload(s, source, n_bytes, saved);
    else
        has = load_snapshot(s, s.engine().fingerprint(), source, n_bytes, saved);
    if (has && logits) std::memcpy(logits, saved.data(), saved.size() * sizeof(float));
    if (has_logits) *has_logits = has;
}

} // namespace

extern "C" {

DS4X_API int32_t ds4x_state_bytes(ds4x_session *session, int32_t format, int32_t with_logits, uint64_t *out,
                                  ds4x_error *err) {
    return guard(err, [&] {
        Session &s = core(session);
        need(out, "out");
        check_format(format, !with_logits);
        const auto held = s.engine().lock();
        *out = bytes_of(s, format, with_logits != 0);
    });
}

DS4X_API int32_t ds4x_state_save_fd(ds4x_session *session, int32_t format, const float *logits, int32_t fd,
                                    ds4x_error *err) {
    return guard(err, [&] {
        Session &s = core(session);
        check_format(format, !logits);
        const auto held = s.engine().lock();
        DescriptorStream file(fd);
        save(s, format, logits, file);
    });
}

DS4X_API int32_t ds4x_state_save(ds4x_session *session, int32_t format, const float *logits, void *out, uint64_t cap,
                                 uint64_t *n_out, ds4x_error *err) {
    return guard(err, [&] {
        Session &s = core(session);
        check_format(format, !logits);
        need(n_out, "n_out");
        const auto held = s.engine().lock();
        const uint64_t n = *n_out = bytes_of(s, format, logits != nullptr);
        if (cap < n)
            fail(DS4X_ERR_BUFFER, "room for %llu bytes, the session takes %llu", (unsigned long long)cap,
                 (unsigned long long)n);
        MemorySink memory(&need(static_cast<uint8_t *>(out), "out"), n);
        save(s, format, logits, memory);
    });
}

DS4X_API int32_t ds4x_state_load_fd(ds4x_session *session, int32_t format, int32_t fd, uint64_t n_bytes, float *logits,
                                    int32_t *has_logits, ds4x_error *err) {
    return guard(err, [&] {
        Session &s = core(session);
        check_format(format);
        const auto held = s.engine().lock();
        DescriptorStream file(fd);
        load(s, format, file, n_bytes, logits, has_logits);
    });
}

DS4X_API int32_t ds4x_state_load(ds4x_session *session, int32_t format, const void *in, uint64_t n_bytes, float *logits,
                                 int32_t *has_logits, ds4x_error *err) {
    return guard(err, [&] {
        Session &s = core(session);
        check_format(format);
        const auto held = s.engine().lock();
        if (n_bytes) need(static_cast<const uint8_t *>(in), "in");
        MemorySource memory(static_cast<const uint8_t *>(in), n_bytes);
        load(s, format, memory, n_bytes, logits, has_logits);
    });
}

DS4X_API int32_t ds4x_fingerprint(ds4x_engine *engine, uint8_t out[32], ds4x_error *err) {
    return guard(err, [&] {
        Engine &e = core(engine);
        need(out, "out");
        e.check_usable(false);
        const Fingerprint &f = e.fingerprint();
        std::copy(f.begin(), f.end(), out);
    });
}

} // extern "C"
