/* ds4.h: the C names known from antirez/ds4 (interface of 2026-05-21), served by libds4.
 *
 * Programs written for that interface compile and link against libds4 unchanged: enum values, struct layouts, return
 * codes, the sampler's order and its random numbers are the same. New code should use ds4x.h, which reports errors
 * better, batches, forks and can be cancelled.
 *
 * What differs, on purpose:
 *  - Nothing exits, aborts or prints. A function without an `err` buffer leaves its reason in ds4_last_error().
 *  - Any DeepSeek V4 shape loads, not only Flash. There is no lock file; several engines may be open.
 *  - ds4_session_rewind is exact, and a sync to a shorter or diverging prompt keeps the common prefix.
 *  - ds4_session_eval refuses when the context is full, and a token outside the vocabulary.
 *  - Only the CPU backend is served. MTP files and directional steering are refused by ds4_engine_open.
 *  - The generation, imatrix, dump, log and self-test functions exist and report that they are not supported.
 */
#ifndef DS4_H
#define DS4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#if defined(_WIN32)
#  if defined(DS4_BUILD)
#    define DS4_API __declspec(dllexport)
#  else
#    define DS4_API __declspec(dllimport)
#  endif
#else
#  define DS4_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { DS4_BACKEND_METAL = 0, DS4_BACKEND_CUDA = 1, DS4_BACKEND_CPU = 2 } ds4_backend;
typedef enum { DS4_THINK_NONE = 0, DS4_THINK_HIGH = 1, DS4_THINK_MAX = 2 } ds4_think_mode;
typedef enum {
    DS4_LOG_DEFAULT = 0,
    DS4_LOG_PREFILL = 1,
    DS4_LOG_GENERATION = 2,
    DS4_LOG_KVCACHE = 3,
    DS4_LOG_TOOL = 4,
    DS4_LOG_WARNING = 5,
    DS4_LOG_TIMING = 6,
    DS4_LOG_OK = 7,
    DS4_LOG_ERROR = 8
} ds4_log_type;
typedef enum {
    DS4_SESSION_REWRITE_ERROR = -1,
    DS4_SESSION_REWRITE_OK = 0,
    DS4_SESSION_REWRITE_REBUILD_NEEDED = 1
} ds4_session_rewrite_result;

#define DS4_DEFAULT_TEMPERATURE 1.0f
#define DS4_DEFAULT_TOP_P 1.0f
#define DS4_DEFAULT_MIN_P 0.05f

typedef struct ds4_engine ds4_engine;
typedef struct ds4_session ds4_session;

/* A growing vector of token ids. v comes from malloc and may be freed with free(). Start from all zero. */
typedef struct {
    int *v;
    int len;
    int cap;
} ds4_tokens;

typedef struct {
    int id;
    float logit;
    float logprob; /* natural log at temperature 1, unfiltered */
} ds4_token_score;

typedef struct {
    const char *model_path;
    const char *mtp_path; /* refused unless NULL or empty */
    ds4_backend backend;
    int n_threads;                         /* <= 0: one per processor */
    int mtp_draft_tokens;                  /* ignored */
    float mtp_margin;                      /* ignored */
    const char *directional_steering_file; /* ignored while both scales are 0 */
    float directional_steering_attn;       /* refused unless 0 */
    float directional_steering_ffn;        /* refused unless 0 */
    bool warm_weights;                     /* ignored */
    bool quality;                          /* f32 activations and KV rows */
} ds4_engine_options;

typedef struct {
    uint64_t total_bytes;
    uint64_t raw_bytes;
    uint64_t compressed_bytes;
    uint64_t scratch_bytes;
    uint32_t prefill_cap;
    uint32_t raw_cap;
    uint32_t comp_cap;
} ds4_context_memory;

/* Start from all zero; release with ds4_session_snapshot_free. */
typedef struct {
    uint8_t *ptr;
    uint64_t len;
    uint64_t cap;
} ds4_session_snapshot;

typedef void (*ds4_session_progress_fn)(void *ud, const char *event, int current, int total);
typedef void (*ds4_token_emit_fn)(void *ud, int token);
typedef void (*ds4_generation_done_fn)(void *ud);

/* Why the last failing ds4_* call of this thread failed; "" before the first failure. Not part of the 2026-05-21 names.
 * Kept per thread because most of those functions have nowhere to put a reason. */
DS4_API const char *ds4_last_error(void);

/* -------------------------------------------------------------------------------------------------------- constants */

DS4_API const char *ds4_backend_name(ds4_backend backend);
DS4_API bool ds4_think_mode_enabled(ds4_think_mode mode);
DS4_API const char *ds4_think_mode_name(ds4_think_mode mode);
DS4_API const char *ds4_think_max_prefix(void);
DS4_API uint32_t ds4_think_max_min_context(void);
/* MAX needs a context of ds4_think_max_min_context() tokens, else it becomes HIGH. */
DS4_API ds4_think_mode ds4_think_mode_for_context(ds4_think_mode mode, int ctx_size);
/* The classic numbers for the Flash shape on CPU; ds4x_memory_estimate tells what libds4 takes. */
DS4_API ds4_context_memory ds4_context_memory_estimate(ds4_backend backend, int ctx_size);

/* ----------------------------------------------------------------------------------------------------------- engine */

/* 0, or 1 with *out = NULL. */
DS4_API int ds4_engine_open(ds4_engine **out, const ds4_engine_options *opt);
DS4_API void ds4_engine_close(ds4_engine *e);
DS4_API int ds4_engine_routed_quant_bits(ds4_engine *e); /* 4 when layer 0's experts are Q4_K, else 2 */
DS4_API bool ds4_engine_has_mtp(ds4_engine *e);          /* false */
DS4_API int ds4_engine_mtp_draft_tokens(ds4_engine *e);  /* 0 */

/* ------------------------------------------------------------------------------------------------ tokens and chat */

DS4_API void ds4_tokens_push(ds4_tokens *tv, int token);
DS4_API void ds4_tokens_free(ds4_tokens *tv);
DS4_API void ds4_tokens_copy(ds4_tokens *dst, const ds4_tokens *src);
DS4_API bool ds4_tokens_starts_with(const ds4_tokens *tokens, const ds4_tokens *prefix);

/* Append to out. The first treats protocol literals as text, the second turns the seven of them into their ids. */
DS4_API void ds4_tokenize_text(ds4_engine *e, const char *text, ds4_tokens *out);
DS4_API void ds4_tokenize_rendered_chat(ds4_engine *e, const char *text, ds4_tokens *out);
DS4_API void ds4_chat_begin(ds4_engine *e, ds4_tokens *tokens);
DS4_API void ds4_encode_chat_prompt(ds4_engine *e, const char *system, const char *prompt, ds4_think_mode think_mode,
                                    ds4_tokens *out);
DS4_API void ds4_chat_append_max_effort_prefix(ds4_engine *e, ds4_tokens *tokens);
DS4_API void ds4_chat_append_message(ds4_engine *e, ds4_tokens *tokens, const char *role, const char *content);
DS4_API void ds4_chat_append_assistant_prefix(ds4_engine *e, ds4_tokens *tokens, ds4_think_mode think_mode);

/* The token's bytes in a fresh malloc block, NUL-terminated; empty for an id outside the vocabulary. */
DS4_API char *ds4_token_text(ds4_engine *e, int token, size_t *len);
DS4_API int ds4_token_eos(ds4_engine *e);
DS4_API int ds4_token_user(ds4_engine *e);
DS4_API int ds4_token_assistant(ds4_engine *e);

/* --------------------------------------------------------------------------------------------------------- sessions */

DS4_API int ds4_session_create(ds4_session **out, ds4_engine *e, int ctx_size);
DS4_API void ds4_session_free(ds4_session *s);
/* fn gets "prefill_chunk" with rising counts of done tokens, the last one equal to the total. It may read and save the
 * session, which then stands at `current` tokens. */
DS4_API void ds4_session_set_progress(ds4_session *s, ds4_session_progress_fn fn, void *ud);
/* Makes the session hold exactly this prompt (1 .. ctx - 1 tokens) and its last token's logits. 0 or 1. */
DS4_API int ds4_session_sync(ds4_session *s, const ds4_tokens *prompt, char *err, size_t errlen);
DS4_API bool ds4_session_rewrite_requires_rebuild(int live_len, int canonical_len, int common);
DS4_API ds4_session_rewrite_result ds4_session_rewrite_from_common(ds4_session *s, const ds4_tokens *prompt, int common,
                                                                   char *err, size_t errlen);
DS4_API int ds4_session_common_prefix(ds4_session *s, const ds4_tokens *prompt);
DS4_API int ds4_session_eval(ds4_session *s, int token, char *err, size_t errlen); /* 0 or 1 */
/* Evaluates first_token; returns 1, 0 without room in accepted, -1 after an error. */
DS4_API int ds4_session_eval_speculative_argmax(ds4_session *s, int first_token, int max_tokens, int eos_token,
                                                int *accepted, int accepted_cap, char *err, size_t errlen);
DS4_API void ds4_session_invalidate(ds4_session *s);
DS4_API void ds4_session_rewind(ds4_session *s, int pos); /* pos is clamped to 0 .. ds4_session_pos */
DS4_API int ds4_session_pos(ds4_session *s);
DS4_API int ds4_session_ctx(ds4_session *s);
DS4_API const ds4_tokens *ds4_session_tokens(ds4_session *s); /* valid until the session changes */

/* Choices from the current logits. -1 when there are none: nothing was evaluated yet. */
DS4_API int ds4_session_argmax(ds4_session *s);
DS4_API int ds4_session_argmax_excluding(ds4_session *s, int excluded_id);
DS4_API int ds4_session_sample(ds4_session *s, float temperature, int top_k, float top_p, float min_p, uint64_t *rng);
DS4_API int ds4_session_top_logprobs(ds4_session *s, ds4_token_score *out, int k); /* number of entries, 0 = failed */
DS4_API int ds4_session_token_logprob(ds4_session *s, int token, ds4_token_score *out); /* 1 = success, 0 = failed */

/* --------------------------------------------------------------------------------------------------- saved sessions */

DS4_API uint64_t ds4_session_payload_bytes(ds4_session *s); /* 0 when there is nothing to save */
DS4_API int ds4_session_save_payload(ds4_session *s, FILE *fp, char *err, size_t errlen);
/* A session that can not be loaded is left as it was. */
DS4_API int ds4_session_load_payload(ds4_session *s, FILE *fp, uint64_t payload_bytes, char *err, size_t errlen);
DS4_API int ds4_session_save_snapshot(ds4_session *s, ds4_session_snapshot *snap, char *err, size_t errlen);
DS4_API int ds4_session_load_snapshot(ds4_session *s, const ds4_session_snapshot *snap, char *err, size_t errlen);
DS4_API void ds4_session_snapshot_free(ds4_session_snapshot *snap);

/* ---------------------------------------------------------------------------------- present, but always unsupported */

DS4_API void ds4_engine_summary(ds4_engine *e);
DS4_API bool ds4_log_is_tty(FILE *fp);
DS4_API void ds4_log(FILE *fp, ds4_log_type type, const char *fmt, ...);
DS4_API int ds4_engine_generate_argmax(ds4_engine *e, const ds4_tokens *prompt, int n_predict, int ctx_size,
                                       ds4_token_emit_fn emit, ds4_generation_done_fn done, void *emit_ud,
                                       ds4_session_progress_fn progress, void *progress_ud);
DS4_API int ds4_engine_collect_imatrix(ds4_engine *e, const char *dataset_path, const char *output_path, int ctx_size,
                                       int max_prompts, int max_tokens);
DS4_API void ds4_engine_dump_tokens(ds4_engine *e, const ds4_tokens *tokens);
DS4_API int ds4_dump_text_tokenization(const char *model_path, const char *text, FILE *fp);
DS4_API int ds4_engine_head_test(ds4_engine *e, const ds4_tokens *prompt);
DS4_API int ds4_engine_first_token_test(ds4_engine *e, const ds4_tokens *prompt);
DS4_API int ds4_engine_metal_graph_test(ds4_engine *e, const ds4_tokens *prompt);
DS4_API int ds4_engine_metal_graph_full_test(ds4_engine *e, const ds4_tokens *prompt);
DS4_API int ds4_engine_metal_graph_prompt_test(ds4_engine *e, const ds4_tokens *prompt, int ctx_size);

#ifdef __cplusplus
}
#endif
#endif
