// The C API: sessions and checkpoints. Checks arguments; everything else happens below.
#include "api/access.h"

using namespace ds4;

namespace {

// A handle for what make() answers; *out is NULL after a failure.
template <typename Handle, typename F> int32_t create(Handle **out, ds4x_error *err, F &&make) {
    return guard(err, [&] {
        need(out, "out") = nullptr;
        auto handle = std::make_unique<Handle>();
        handle->core = make();
        *out = handle.release();
    });
}

// A session to read from: NULL and a forked child have none.
const Session *readable(const ds4x_session *session) {
    return session && !session->core->engine().foreign_process() ? session->core.get() : nullptr;
}

} // namespace

extern "C" {

// ------------------------------------------------------------------------------------------------------------ sessions

DS4X_API int32_t ds4x_session_create(ds4x_engine *engine, uint32_t n_ctx, ds4x_session **out, ds4x_error *err) {
    return create(out, err, [&] {
        core(engine).check_usable(true);
        return std::make_unique<Session>(engine->core, n_ctx);
    });
}

DS4X_API void ds4x_session_free(ds4x_session *session) {
    if (readable(session)) delete session;
}

DS4X_API uint32_t ds4x_session_pos(const ds4x_session *session) { return session ? session->core->pos() : 0; }
DS4X_API uint32_t ds4x_session_n_ctx(const ds4x_session *session) { return session ? session->core->n_ctx() : 0; }

DS4X_API uint32_t ds4x_session_tokens(const ds4x_session *session, int32_t *out, uint32_t cap) {
    const Session *s = readable(session);
    return s ? s->copy_tokens(out, out ? cap : 0) : 0;
}

DS4X_API int32_t ds4x_session_fork(ds4x_session *session, ds4x_session **out, ds4x_error *err) {
    return create(out, err, [&] { return core(session).fork(); });
}

DS4X_API int32_t ds4x_session_rewind(ds4x_session *session, uint32_t pos, const int32_t *cancel, ds4x_error *err) {
    return guard(err, [&] { core(session).rewind(pos, cancel); });
}

DS4X_API uint32_t ds4x_session_near(const ds4x_session *session, uint32_t pos) {
    const Session *s = readable(session);
    return s ? s->near(pos) : 0;
}

DS4X_API int32_t ds4x_session_fork_at(ds4x_session *session, uint32_t pos, const int32_t *cancel, ds4x_session **out,
                                      ds4x_error *err) {
    return create(out, err, [&] { return core(session).fork_at(pos, cancel); });
}

DS4X_API int32_t ds4x_session_swap(ds4x_session *a, ds4x_session *b, ds4x_error *err) {
    return guard(err, [&] { core(a).swap(core(b)); });
}

DS4X_API int32_t ds4x_session_sync(ds4x_session *session, const int32_t *tokens, uint32_t n, const int32_t *cancel,
                                   ds4x_progress_fn progress, void *user, float *logits, ds4x_error *err) {
    return guard(err, [&] {
        Session &s = core(session);
        if (n) need(tokens, "tokens");
        Session::Progress tell;
        if (progress)
            tell = [=](const char *event, uint32_t current, uint32_t total) { progress(user, event, current, total); };
        s.sync(tokens, n, cancel, tell, logits);
    });
}

DS4X_API uint32_t ds4x_session_common_prefix(const ds4x_session *session, const int32_t *tokens, uint32_t n) {
    const Session *s = tokens ? readable(session) : nullptr;
    return s ? s->common_prefix(tokens, n) : 0;
}

// --------------------------------------------------------------------------------------------------------- checkpoints

DS4X_API int32_t ds4x_checkpoint_create(ds4x_session *session, ds4x_checkpoint **out, ds4x_error *err) {
    return create(out, err, [&] { return core(session).checkpoint(); });
}

DS4X_API void ds4x_checkpoint_free(ds4x_checkpoint *checkpoint) {
    if (checkpoint && !checkpoint->core->engine()->foreign_process()) delete checkpoint;
}

DS4X_API uint32_t ds4x_checkpoint_pos(const ds4x_checkpoint *checkpoint) {
    return checkpoint ? checkpoint->core->checkpoint().pos() : 0;
}

DS4X_API uint64_t ds4x_checkpoint_bytes(const ds4x_checkpoint *checkpoint) {
    return checkpoint ? checkpoint->core->checkpoint().bytes() : 0;
}

DS4X_API uint32_t ds4x_checkpoint_low(const ds4x_checkpoint *checkpoint) {
    if (!checkpoint) return 0;
    const ds4::Checkpoint &c = checkpoint->core->checkpoint();
    return c.pos() - c.back();
}

DS4X_API int32_t ds4x_checkpoint_resume(ds4x_checkpoint *checkpoint, uint32_t n_ctx, ds4x_session **out,
                                        ds4x_error *err) {
    return create(out, err, [&] { return Session::resume(core(checkpoint), n_ctx); });
}

DS4X_API int32_t ds4x_session_auto_checkpoints(ds4x_session *session, int32_t enable, ds4x_error *err) {
    return guard(err, [&] {
        Session &s = core(session);
        s.engine().check_usable(true);
        s.set_auto_checkpoints(enable != 0);
    });
}

DS4X_API uint32_t ds4x_session_checkpoints(const ds4x_session *session, uint32_t *out, uint32_t cap) {
    const Session *s = readable(session);
    return s ? s->copy_checkpoints(out, out ? cap : 0) : 0;
}

} // extern "C"
