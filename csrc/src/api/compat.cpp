// The DS4 names of ds4.h on top of ds4x.h. Only payloads and snapshots reach below it, through kv/payload.h.
#include "api/compat.h"
#include "kv/payload.h"

using namespace ds4::compat;

namespace {

constexpr int top_k_max = 1024;          // of the DS4 sampler
constexpr int max_mode_context = 393216; // below it MAX thinking becomes HIGH
constexpr int type_q4_k = 12;            // ggml type id
thread_local char last_error[1024];

const char max_prefix[] =
    "Reasoning Effort: Absolute maximum with no shortcuts permitted.\n"
    "You MUST be very thorough in your thinking and comprehensively decompose the problem to resolve the root cause, "
    "rigorously stress-testing your logic against all potential paths, edge cases, and adversarial scenarios.\n"
    "Explicitly write out your entire deliberation process, documenting every intermediate step, considered "
    "alternative, and rejected hypothesis to ensure absolutely no assumption is left unchecked.\n\n";

int unsupported(const char *name) noexcept {
    char reason[200]; // says so without memory, too
    std::snprintf(reason, sizeof reason, "%s is not supported", name);
    return fail(nullptr, 0, reason);
}

// An enum argument as the int a C caller may have put there, in range or not.
template <typename E> int value_of(const E &e) {
    int v;
    static_assert(sizeof v == sizeof e, "ds4.h promises enums of an int's size");
    std::memcpy(&v, &e, sizeof v);
    return v;
}

// Lets f append to `out`: all of it, or nothing, with the reason in ds4_last_error().
template <typename F> void append_whole(ds4_tokens *out, F &&f) {
    const int before = out->len;
    if (guarded(nullptr, 0, f)) out->len = before;
}
// These throw.
void add(ds4_tokens &out, int token) {
    reserve(out, size_t(out.len) + 1);
    out.v[out.len++] = token;
}
void add_id(ds4_tokens &out, int id, const char *what) { // one that the vocabulary lacks is left out
    if (id >= 0) return add(out, id);
    char reason[100];
    std::snprintf(reason, sizeof reason, "the vocabulary has no %s token", what);
    fail(nullptr, 0, reason);
}
void add_text(ds4_engine *e, const char *text, size_t len, ds4_tokens &out) {
    if (len == 0) return;
    reserve(out, size_t(out.len) + len); // a token stands for a byte or more
    size_t n = 0;
    ds4x_error error{};
    must(ds4x_tokenize(e->model->x, text, len, 0, out.v + out.len, len, &n, &error), error);
    out.len += int(n);
}
void add_text(ds4_engine *e, const char *text, ds4_tokens &out) {
    add_text(e, text, text ? std::strlen(text) : 0, out);
}

void add_begin(ds4_engine *e, ds4_tokens &out) { add_id(out, e->model->info.token_bos, "begin of sentence"); }
void add_message(ds4_engine *e, ds4_tokens &out, const char *role, const char *content) {
    const auto is = [&](const char *name) { return std::strcmp(role, name) == 0; };
    const ds4x_engine_info &f = e->model->info;
    if (!content) content = "";
    if (is("assistant")) {
        add_id(out, f.token_assistant, "assistant");
        if (std::strncmp(content, "<think>", 7) && std::strncmp(content, "</think>", 8))
            add_id(out, f.token_think_close, "end of thinking");
    } else if (!is("system") && !is("developer")) {
        add_id(out, f.token_user, "user");
        if (is("tool") || is("function")) add_text(e, "Tool: ", out);
    }
    add_text(e, content, out);
}
void add_assistant_prefix(ds4_engine *e, ds4_tokens &out, ds4_think_mode think_mode) {
    const ds4x_engine_info &f = e->model->info;
    const bool think = ds4_think_mode_enabled(think_mode);
    add_id(out, f.token_assistant, "assistant");
    add_id(out, think ? f.token_think_open : f.token_think_close, "thinking");
}
int common_tokens(const ds4_tokens &a, const ds4_tokens &b) {
    int n = 0;
    while (n < a.len && n < b.len && a.v[n] == b.v[n]) n++;
    return n;
}

// Calls f(session below), brought to the tokens the caller sees, with their logits, while nothing else computes.
template <typename F> void with_checkpoint(ds4_session *s, const char *to_do, F &&f) {
    if (!s || !s->valid || s->live.len == 0) refuse("session has no valid checkpoint to %s", to_do);
    s->refresh();
    ds4::Session &session = *s->x->core;
    session.engine().check_usable(true);
    const std::lock_guard<std::mutex> lock(session.engine().mutex());
    f(session);
}
void load(ds4_session *s, ds4::PayloadSource &source, uint64_t n_bytes) {
    ds4::Session &session = *s->x->core;
    session.engine().check_usable(true);
    const std::lock_guard<std::mutex> lock(session.engine().mutex());
    // Room first, so that nothing can fail after the session has changed: a token takes 4 bytes of the payload.
    reserve(s->live, size_t(std::min(n_bytes / 4, uint64_t(s->ctx))));
    ds4::load_payload(session, source, n_bytes, s->logits);
    s->live.len = s->logits_at = int(session.copy_tokens(s->live.v, uint32_t(s->live.cap)));
    s->valid = true;
}

// Lets the caller see the session where a sync has come to, with its logits.
struct Sync {
    ds4_session *s;
    const std::vector<int> &prompt;
    int at = -1;      // where the last event was
    int32_t stop = 0; // cancels the sync
    bool changed = false;

    void arrive(uint32_t pos, bool with_logits) { // s->live has the room
        std::memcpy(s->live.v, prompt.data(), size_t(pos) * sizeof(int));
        s->live.len = int(pos);
        s->logits_at = with_logits ? int(pos) : 0;
        s->valid = true;
    }
    static void progress(void *user, const char *event, uint32_t current, uint32_t total) {
        Sync &self = *static_cast<Sync *>(user);
        self.arrive(current, true);
        self.at = int(current);
        self.s->progress(self.s->progress_ud, event, self.at, int(total));
        self.changed = self.s->live.len != self.at || !self.s->valid;
        self.stop = self.changed;
    }
};

} // namespace

int ds4::compat::fail(char *err, size_t errlen, const char *reason) noexcept {
    std::snprintf(last_error, sizeof last_error, "%s", reason);
    if (err && errlen) std::snprintf(err, errlen, "%s", reason);
    return 1;
}

extern "C" {

const char *ds4_last_error(void) { return last_error; }

// --------------------------------------------------------------------------------------------------------- constants

const char *ds4_backend_name(ds4_backend backend) {
    const int i = value_of(backend);
    return i == DS4_BACKEND_METAL ? "metal" : i == DS4_BACKEND_CUDA ? "cuda" : i == DS4_BACKEND_CPU ? "cpu" : "unknown";
}
bool ds4_think_mode_enabled(ds4_think_mode mode) {
    return value_of(mode) == DS4_THINK_HIGH || value_of(mode) == DS4_THINK_MAX;
}
const char *ds4_think_mode_name(ds4_think_mode mode) {
    const int i = value_of(mode);
    return i == DS4_THINK_NONE ? "none" : i == DS4_THINK_HIGH ? "high" : i == DS4_THINK_MAX ? "max" : "unknown";
}
const char *ds4_think_max_prefix(void) { return max_prefix; }
uint32_t ds4_think_max_min_context(void) { return max_mode_context; }
ds4_think_mode ds4_think_mode_for_context(ds4_think_mode mode, int ctx_size) {
    const int i = value_of(mode);
    return i == DS4_THINK_MAX && ctx_size < max_mode_context ? DS4_THINK_HIGH : ds4_think_mode(i);
}

ds4_context_memory ds4_context_memory_estimate(ds4_backend, int ctx_size) {
    const uint64_t ctx = ctx_size > 0 ? uint64_t(ctx_size) : 1, n_layer = 43, n_csa = 21, n_hca = 20; // Flash
    const uint64_t row = 512 * sizeof(float), index_row = 128 * sizeof(float), raw_cap = ctx < 128 ? ctx : 128;
    const uint64_t csa_rows = ctx / 4 + 2, hca_rows = ctx / 128 + 2;
    ds4_context_memory m{};
    m.raw_cap = uint32_t(raw_cap);
    m.comp_cap = uint32_t(csa_rows);
    m.raw_bytes = n_layer * raw_cap * row;
    m.compressed_bytes = n_csa * csa_rows * (row + index_row) + n_hca * hca_rows * row;
    m.scratch_bytes = 4 * (raw_cap + csa_rows) + 5 * csa_rows; // scores, indexer scores, a flag a row
    m.total_bytes = m.raw_bytes + m.compressed_bytes + m.scratch_bytes;
    return m;
}

// ------------------------------------------------------------------------------------------------------------ engine

int ds4_engine_open(ds4_engine **out, const ds4_engine_options *opt) {
    if (out) *out = nullptr;
    return guarded(nullptr, 0, [&] {
        if (!out || !opt || !opt->model_path || !*opt->model_path) refuse("ds4_engine_open: no model_path");
        if (opt->mtp_path && *opt->mtp_path) refuse("mtp_path %s: draft models are not supported", opt->mtp_path);
        if (opt->directional_steering_attn != 0 || opt->directional_steering_ffn != 0)
            refuse("directional steering is not supported; set both scales to 0");
        const int backend = value_of(opt->backend);
        if (backend < DS4_BACKEND_METAL || backend > DS4_BACKEND_CPU)
            refuse("backend is %d, expected a ds4_backend", backend);
        const int32_t backends[] = {DS4X_BACKEND_METAL, DS4X_BACKEND_CUDA, DS4X_BACKEND_CPU};
        ds4x_options o;
        ds4x_options_init(&o, sizeof o);
        o.model_path = opt->model_path;
        o.backend = backends[backend];
        o.n_threads = opt->n_threads > 0 ? opt->n_threads : 0;
        o.exact = opt->quality ? 1 : 0;
        auto model = std::make_shared<Model>();
        ds4x_error e{};
        must(ds4x_engine_open(&o, &model->x, &e), e);
        model->info.struct_size = sizeof model->info;
        must(ds4x_engine_get_info(model->x, &model->info, &e), e);
        ds4x_tensor t{};
        for (uint64_t i = 0; ds4x_tensor_get(model->x, i, &t, nullptr) == DS4X_OK; i++)
            if (!std::strcmp(t.name, "blk.0.ffn_gate_exps.weight") && t.type == type_q4_k) model->quant_bits = 4;
        *out = new ds4_engine{model};
    });
}
void ds4_engine_close(ds4_engine *e) { delete e; }
int ds4_engine_routed_quant_bits(ds4_engine *e) { return e ? e->model->quant_bits : 0; }
bool ds4_engine_has_mtp(ds4_engine *) { return false; }
int ds4_engine_mtp_draft_tokens(ds4_engine *) { return 0; }

// --------------------------------------------------------------------------------------------------- tokens and chat

void ds4_tokens_push(ds4_tokens *tv, int token) {
    if (tv) append_whole(tv, [&] { add(*tv, token); });
}
void ds4_tokens_free(ds4_tokens *tv) {
    if (!tv) return;
    std::free(tv->v);
    *tv = ds4_tokens{};
}
void ds4_tokens_copy(ds4_tokens *dst, const ds4_tokens *src) {
    if (!dst || dst == src) return;
    dst->len = 0;
    if (!src || src->len <= 0 || guarded(nullptr, 0, [&] { reserve(*dst, size_t(src->len)); })) return;
    std::memmove(dst->v, src->v, size_t(src->len) * sizeof(int));
    dst->len = src->len;
}
bool ds4_tokens_starts_with(const ds4_tokens *tokens, const ds4_tokens *prefix) {
    return !prefix || prefix->len <= 0 || (tokens && common_tokens(*tokens, *prefix) == prefix->len);
}

void ds4_tokenize_text(ds4_engine *e, const char *text, ds4_tokens *out) {
    if (e && out) append_whole(out, [&] { add_text(e, text, *out); });
}
void ds4_tokenize_rendered_chat(ds4_engine *e, const char *text, ds4_tokens *out) {
    if (!e || !text || !out) return;
    const ds4x_engine_info &f = e->model->info;
    const struct {
        const char *text;
        int id;
    } literals[] = {{"<｜begin▁of▁sentence｜>", f.token_bos},
                    {"<｜end▁of▁sentence｜>", f.token_eos},
                    {"<｜User｜>", f.token_user},
                    {"<｜Assistant｜>", f.token_assistant},
                    {"<think>", f.token_think_open},
                    {"</think>", f.token_think_close},
                    {"｜DSML｜", f.token_dsml}};
    append_whole(out, [&] {
        const char *plain = text, *p = text;
        while (*p) {
            size_t found = 0;
            if (*p == '<' || *p == literals[6].text[0]) {
                for (const auto &l : literals) {
                    const size_t n = std::strlen(l.text);
                    if (l.id < 0 || std::strncmp(p, l.text, n)) continue;
                    add_text(e, plain, size_t(p - plain), *out);
                    add(*out, l.id);
                    found = n;
                    break;
                }
            }
            p += found ? found : 1;
            if (found) plain = p;
        }
        add_text(e, plain, size_t(p - plain), *out);
    });
}

void ds4_chat_begin(ds4_engine *e, ds4_tokens *tokens) {
    if (e && tokens) append_whole(tokens, [&] { add_begin(e, *tokens); });
}
void ds4_chat_append_max_effort_prefix(ds4_engine *e, ds4_tokens *tokens) { ds4_tokenize_text(e, max_prefix, tokens); }
void ds4_chat_append_message(ds4_engine *e, ds4_tokens *tokens, const char *role, const char *content) {
    if (e && tokens) append_whole(tokens, [&] { add_message(e, *tokens, role ? role : "user", content); });
}
void ds4_chat_append_assistant_prefix(ds4_engine *e, ds4_tokens *tokens, ds4_think_mode think_mode) {
    if (e && tokens) append_whole(tokens, [&] { add_assistant_prefix(e, *tokens, think_mode); });
}
void ds4_encode_chat_prompt(ds4_engine *e, const char *system, const char *prompt, ds4_think_mode think_mode,
                            ds4_tokens *out) {
    if (!e || !out) return;
    append_whole(out, [&] {
        add_begin(e, *out);
        if (value_of(think_mode) == DS4_THINK_MAX) add_text(e, max_prefix, *out);
        add_text(e, system, *out);
        add_message(e, *out, "user", prompt);
        add_assistant_prefix(e, *out, think_mode);
    });
}

char *ds4_token_text(ds4_engine *e, int token, size_t *len) {
    const char *bytes = nullptr;
    size_t n = 0;
    if (!e || ds4x_token_bytes(e->model->x, token, &bytes, &n, nullptr)) n = 0; // an unknown token has no text
    char *text = static_cast<char *>(std::malloc(n + 1));
    if (len) *len = text ? n : 0;
    if (!text) return fail(nullptr, 0, "out of memory"), nullptr;
    if (n) std::memcpy(text, bytes, n);
    text[n] = '\0';
    return text;
}
int ds4_token_eos(ds4_engine *e) { return e ? e->model->info.token_eos : -1; }
int ds4_token_user(ds4_engine *e) { return e ? e->model->info.token_user : -1; }
int ds4_token_assistant(ds4_engine *e) { return e ? e->model->info.token_assistant : -1; }

// ---------------------------------------------------------------------------------------------------------- sessions

int ds4_session_create(ds4_session **out, ds4_engine *e, int ctx_size) {
    if (out) *out = nullptr;
    return guarded(nullptr, 0, [&] {
        if (!out || !e || ctx_size <= 0) refuse("ds4_session_create: needs an engine and a context above 0");
        auto s = std::make_unique<ds4_session>();
        s->model = e->model;
        s->ctx = ctx_size;
        s->logits.resize(s->model->info.n_vocab);
        ds4x_error error{};
        must(ds4x_session_create(s->model->x, uint32_t(ctx_size), &s->x, &error), error);
        *out = s.release();
    });
}
void ds4_session_free(ds4_session *s) { delete s; }
void ds4_session_set_progress(ds4_session *s, ds4_session_progress_fn fn, void *ud) {
    if (!s) return;
    s->progress = fn;
    s->progress_ud = ud;
}

int ds4_session_sync(ds4_session *s, const ds4_tokens *prompt, char *err, size_t errlen) {
    if (!s || !prompt || !prompt->v || prompt->len <= 0 || prompt->len >= s->ctx)
        return fail(err, errlen, "prompt exceeds context");
    const int common = common_tokens(s->live, *prompt);
    if (common == prompt->len && common == s->live.len && s->logits_at == common) return 0;
    return guarded(err, errlen, [&] {
        const std::vector<int> in(prompt->v, prompt->v + prompt->len); // it may be the session's own vector
        const uint32_t n = uint32_t(in.size()), was = ds4x_session_pos(s->x);
        reserve(s->live, n);
        Sync sync{s, in};
        ds4x_error e{};
        const int32_t status = ds4x_session_sync(s->x, in.data(), n, &sync.stop, s->progress ? Sync::progress : nullptr,
                                                 &sync, s->logits.data(), &e);
        if (sync.changed) refuse("the progress callback changed the session");
        if (status == DS4X_OK) return sync.arrive(n, true);
        // The session below holds what it held, or a beginning of the prompt, which then is what the caller sees.
        const uint32_t pos = ds4x_session_pos(s->x), live = uint32_t(s->live.len);
        if (sync.at != int(pos) && (pos != was || ds4x_session_common_prefix(s->x, s->live.v, live) != live))
            sync.arrive(pos, false);
        must(status, e);
    });
}

bool ds4_session_rewrite_requires_rebuild(int live_len, int canonical_len, int common) {
    return live_len < 0 || canonical_len < 0 || common < 0 || common > canonical_len || common != live_len;
}
ds4_session_rewrite_result ds4_session_rewrite_from_common(ds4_session *s, const ds4_tokens *prompt, int common,
                                                           char *err, size_t errlen) {
    const auto error = [&](const char *why) { return fail(err, errlen, why), DS4_SESSION_REWRITE_ERROR; };
    if (!s || !prompt || prompt->len <= 0 || prompt->len >= s->ctx) return error("prompt exceeds context");
    if (!s->valid) return error("session has no valid checkpoint");
    if (common < 0 || common > s->live.len || common > prompt->len) return error("invalid rewrite prefix");
    if (common_tokens(s->live, *prompt) < common) return error("rewrite prefix does not match live checkpoint");
    if (common == s->live.len)
        return ds4_session_sync(s, prompt, err, errlen) ? DS4_SESSION_REWRITE_ERROR : DS4_SESSION_REWRITE_OK;
    const char *form = "rewrite needs rebuild: common=%d live=%d canonical=%d";
    guarded(err, errlen, [&] { refuse(form, common, s->live.len, prompt->len); });
    return DS4_SESSION_REWRITE_REBUILD_NEEDED;
}
int ds4_session_common_prefix(ds4_session *s, const ds4_tokens *prompt) {
    return s && s->valid && prompt ? common_tokens(s->live, *prompt) : 0;
}
int ds4_session_eval(ds4_session *s, int token, char *err, size_t errlen) {
    return guarded(err, errlen, [&] {
        if (!s) refuse("no session");
        if (s->live.len >= s->ctx) refuse("the context is full: position %d of %d", s->live.len, s->ctx);
        s->append(token);
    });
}
int ds4_session_eval_speculative_argmax(ds4_session *s, int first_token, int, int, int *accepted, int accepted_cap,
                                        char *err, size_t errlen) {
    if (!accepted || accepted_cap <= 0) return 0;
    if (ds4_session_eval(s, first_token, err, errlen)) return -1;
    accepted[0] = first_token;
    return 1;
}
void ds4_session_invalidate(ds4_session *s) {
    if (!s) return;
    s->valid = false;
    s->live.len = s->logits_at = 0;
}
void ds4_session_rewind(ds4_session *s, int pos) {
    if (s && pos < s->live.len) s->live.len = pos > 0 ? pos : 0;
}
int ds4_session_pos(ds4_session *s) { return s ? s->live.len : 0; }
int ds4_session_ctx(ds4_session *s) { return s ? s->ctx : 0; }
const ds4_tokens *ds4_session_tokens(ds4_session *s) { return s ? &s->live : nullptr; }

// 0 when the session's logits are those of its last token.
static int refresh(ds4_session *s) {
    return guarded(nullptr, 0, [&] { s ? s->refresh() : refuse("no session"); });
}
static int first_maximum(ds4_session *s, int excluded) {
    if (refresh(s)) return -1;
    int best = excluded == 0 && s->logits.size() > 1 ? 1 : 0; // when no logit exceeds the threshold
    float top = -1e30f;
    for (size_t i = 0; i < s->logits.size(); i++) {
        if (int(i) == excluded || !(s->logits[i] > top)) continue;
        best = int(i);
        top = s->logits[i];
    }
    return best;
}
int ds4_session_argmax(ds4_session *s) { return first_maximum(s, -1); }
int ds4_session_argmax_excluding(ds4_session *s, int excluded_id) { return first_maximum(s, excluded_id); }

static ds4x_sample_params sample_params(float temperature) {
    ds4x_sample_params p;
    ds4x_sample_params_init(&p, sizeof p);
    p.temperature = temperature;
    return p;
}
static int choose(ds4_session *s, ds4x_sample_params &p) {
    ds4x_error e{};
    if (refresh(s)) return 1;
    const int32_t rc = ds4x_sample_logits(s->logits.data(), uint32_t(s->logits.size()), &p, &e);
    return rc ? fail(nullptr, 0, e.message) : 0;
}
int ds4_session_sample(ds4_session *s, float temperature, int top_k, float top_p, float min_p, uint64_t *rng) {
    if (temperature <= 0) return first_maximum(s, -1);
    ds4x_sample_params p = sample_params(temperature);
    p.top_k = std::min(top_k, top_k_max);
    p.top_p = top_p;
    p.min_p = min_p;
    p.rng = rng ? *rng : 0;
    if (choose(s, p)) return -1;
    if (rng) *rng = p.rng;
    return p.token;
}
int ds4_session_top_logprobs(ds4_session *s, ds4_token_score *out, int k) {
    if (!s || !out || k <= 0) return 0;
    k = int(std::min(size_t(k), s->logits.size()));
    std::vector<ds4x_token_score> top;
    if (guarded(nullptr, 0, [&] { top.resize(size_t(k), {-1, -1e30f, -1e30f}); })) return 0;
    ds4x_sample_params p = sample_params(0);
    p.n_top = uint32_t(k);
    p.top = top.data();
    if (choose(s, p)) return 0;
    for (const ds4x_token_score &t : top) *out++ = {t.token, t.logit, t.logprob};
    return k;
}
int ds4_session_token_logprob(ds4_session *s, int token, ds4_token_score *out) {
    if (!s || !out || token < 0 || size_t(token) >= s->logits.size()) return 0;
    const float sure = 1e30f; // makes this token the choice; log probabilities are those of the logits before
    const int32_t id = token;
    ds4x_sample_params p = sample_params(0);
    p.bias_tokens = &id;
    p.bias_values = &sure;
    p.n_bias = 1;
    if (choose(s, p) || p.token != token) return 0;
    *out = {token, s->logits[size_t(token)], p.logprob};
    return 1;
}

// ---------------------------------------------------------------------------------------------------- saved sessions

uint64_t ds4_session_payload_bytes(ds4_session *s) {
    uint64_t n = 0;
    guarded(nullptr, 0, [&] { with_checkpoint(s, "save", [&](ds4::Session &x) { n = ds4::payload_bytes(x); }); });
    return n;
}
int ds4_session_save_payload(ds4_session *s, FILE *fp, char *err, size_t errlen) {
    if (!fp) return fail(err, errlen, "failed to write session payload");
    ds4::FileStream file(fp);
    return guarded(err, errlen, [&] {
        with_checkpoint(s, "save", [&](ds4::Session &x) { ds4::save_payload(x, s->logits.data(), file); });
    });
}
int ds4_session_load_payload(ds4_session *s, FILE *fp, uint64_t payload_bytes, char *err, size_t errlen) {
    if (!s || !fp) return fail(err, errlen, "failed to read session payload");
    ds4::FileStream file(fp);
    return guarded(err, errlen, [&] { load(s, file, payload_bytes); });
}
int ds4_session_save_snapshot(ds4_session *s, ds4_session_snapshot *snap, char *err, size_t errlen) {
    if (!snap) return fail(err, errlen, "no snapshot to save to");
    return guarded(err, errlen, [&] {
        with_checkpoint(s, "snapshot", [&](ds4::Session &x) {
            const uint64_t need = ds4::payload_bytes(x);
            if (snap->cap < need || !snap->ptr) {
                void *p = std::realloc(snap->ptr, size_t(need));
                if (!p) throw std::bad_alloc();
                snap->ptr = static_cast<uint8_t *>(p);
                snap->cap = need;
            }
            ds4::MemoryStream memory(snap->ptr, need);
            ds4::save_payload(x, s->logits.data(), memory);
            snap->len = need;
        });
    });
}
int ds4_session_load_snapshot(ds4_session *s, const ds4_session_snapshot *snap, char *err, size_t errlen) {
    if (!s || !snap || !snap->ptr || snap->len == 0) return fail(err, errlen, "invalid session snapshot load");
    ds4::MemoryStream memory(snap->ptr, snap->len);
    return guarded(err, errlen, [&] { load(s, memory, snap->len); });
}
void ds4_session_snapshot_free(ds4_session_snapshot *snap) {
    if (!snap) return;
    std::free(snap->ptr);
    *snap = ds4_session_snapshot{};
}

// ------------------------------------------------------------------------------------- present, but always unsupported

void ds4_engine_summary(ds4_engine *) { unsupported("ds4_engine_summary"); }
bool ds4_log_is_tty(FILE *) { return false; }
void ds4_log(FILE *, ds4_log_type, const char *, ...) { unsupported("ds4_log"); }
int ds4_engine_generate_argmax(ds4_engine *, const ds4_tokens *, int, int, ds4_token_emit_fn, ds4_generation_done_fn,
                               void *, ds4_session_progress_fn, void *) {
    return unsupported("ds4_engine_generate_argmax");
}
int ds4_engine_collect_imatrix(ds4_engine *, const char *, const char *, int, int, int) {
    return unsupported("ds4_engine_collect_imatrix");
}
void ds4_engine_dump_tokens(ds4_engine *, const ds4_tokens *) { unsupported("ds4_engine_dump_tokens"); }
int ds4_dump_text_tokenization(const char *, const char *, FILE *) { return unsupported("ds4_dump_text_tokenization"); }
int ds4_engine_head_test(ds4_engine *, const ds4_tokens *) { return unsupported("ds4_engine_head_test"); }
int ds4_engine_first_token_test(ds4_engine *, const ds4_tokens *) { return unsupported("ds4_engine_first_token_test"); }
int ds4_engine_metal_graph_test(ds4_engine *, const ds4_tokens *) { return unsupported("ds4_engine_metal_graph_test"); }
int ds4_engine_metal_graph_full_test(ds4_engine *, const ds4_tokens *) {
    return unsupported("ds4_engine_metal_graph_full_test");
}
int ds4_engine_metal_graph_prompt_test(ds4_engine *, const ds4_tokens *, int) {
    return unsupported("ds4_engine_metal_graph_prompt_test");
}

} // extern "C"
