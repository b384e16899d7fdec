/* ds4x.h: the C API of libds4, the DeepSeek V4 inference engine.
 *
 * Rules that hold for every function here:
 *  - Nothing exits, aborts or prints. A failure is a negative-free status code (enum ds4x_status) and, when `err` is not
 *    NULL, a message that names the thing, the value and what to do. After a failure the objects are as they were before.
 *  - Structs with `struct_size`: set it with the matching *_init function, or to the struct's size. In ds4x_options and
 *    ds4x_engine_info, fields a caller's version does not know keep their defaults, fields a library does not know must be
 *    zero. The others must have the library's size.
 *  - An engine and its sessions may be used from several threads; calls that compute are serialised inside the engine.
 *    Closing an engine waits for what computes; no other call may be made with a handle that is being closed or freed, and
 *    a session must not be freed while a span of it is computed.
 *    Rows left by ds4x_forward are valid until the next ds4x_forward on the same engine, whoever makes it. A failed span
 *    has no rows.
 *  - An engine used in a forked child process answers DS4X_ERR_FORKED.
 *
 * This file is also what the Python binding reads: preprocessor lines are dropped, the rest is parsed by cffi, so it holds
 * plain C declarations only.
 */
#ifndef DS4X_H
#define DS4X_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#  if defined(DS4_BUILD)
#    define DS4X_API __declspec(dllexport)
#  else
#    define DS4X_API __declspec(dllimport)
#  endif
#else
#  define DS4X_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* clang-format off: comments and enum values stand in columns */

/* ------------------------------------------------------------------------------------------------ status and errors */

enum ds4x_status {
    DS4X_OK = 0,
    DS4X_ERR_ARGUMENT = 1,    /* a NULL pointer, an option out of range, an unknown struct_size */
    DS4X_ERR_IO = 2,          /* file missing, a directory, unreadable, or changed since it was opened */
    DS4X_ERR_FORMAT = 3,      /* not a GGUF file, truncated, or damaged */
    DS4X_ERR_MODEL = 4,       /* a GGUF file that is no DeepSeek V4 model: architecture, missing tensor, wrong shape */
    DS4X_ERR_UNSUPPORTED = 5, /* a valid request that this build or backend can not serve */
    DS4X_ERR_MEMORY = 6,      /* out of memory, or over the engine's KV budget */
    DS4X_ERR_TOKEN = 7,       /* a token id outside the vocabulary */
    DS4X_ERR_CONTEXT = 8,     /* the span does not fit the session's context */
    DS4X_ERR_CANCELLED = 9,   /* the cancel flag was raised; the session is at its last complete forward */
    DS4X_ERR_STATE = 10,      /* the object can not do this now: engine closed, opened without weights, no such row */
    DS4X_ERR_FORKED = 11,     /* the engine was opened in another process */
    DS4X_ERR_NO_VOCAB = 12,   /* the file has no vocabulary; token ids work, text does not */
    DS4X_ERR_BUFFER = 13,     /* the caller's buffer is too small; the needed size was reported */
    DS4X_ERR_BACKEND = 14,    /* the backend failed or is not available */
    DS4X_ERR_INTERNAL = 15    /* a broken invariant in libds4: please report */
};

typedef struct ds4x_error {
    int32_t code;       /* enum ds4x_status */
    char message[1020]; /* UTF-8, NUL-terminated, one line */
} ds4x_error;

enum ds4x_log_level { DS4X_LOG_DEBUG = 0, DS4X_LOG_INFO = 1, DS4X_LOG_WARNING = 2, DS4X_LOG_ERROR = 3 };

/* Receives one NUL-terminated line without a newline. Called on the thread that called libds4. */
typedef void (*ds4x_log_fn)(void *user, int32_t level, const char *message);

DS4X_API uint32_t ds4x_abi_version(void);            /* raised when a struct or a function changes incompatibly */
DS4X_API const char *ds4x_version(void);             /* "0.1.0" */
DS4X_API const char *ds4x_status_name(int32_t code); /* "DS4X_ERR_IO"; "unknown" for other values */

/* ------------------------------------------------------------------------------------------------------------ engine */

typedef struct ds4x_engine ds4x_engine;
typedef struct ds4x_session ds4x_session;
typedef struct ds4x_checkpoint ds4x_checkpoint;

enum ds4x_backend { DS4X_BACKEND_AUTO = 0, DS4X_BACKEND_CPU = 1, DS4X_BACKEND_CUDA = 2, DS4X_BACKEND_METAL = 3 };
enum ds4x_kv_dtype { DS4X_KV_AUTO = 0, DS4X_KV_F32 = 1, DS4X_KV_F16 = 2 }; /* AUTO: F32 when exact, else F16 */
/* CPU kernels. AUTO takes the best the processor has; the others exist for tests and for comparing. */
enum ds4x_isa { DS4X_ISA_AUTO = 0, DS4X_ISA_PORTABLE = 1, DS4X_ISA_AVX2 = 2, DS4X_ISA_AVX512 = 3, DS4X_ISA_NEON = 4 };

typedef struct ds4x_options {
    uint32_t struct_size;
    int32_t backend;        /* enum ds4x_backend; default AUTO */
    const char *model_path; /* UTF-8 path of a .gguf file, or of the first part of a split file */
    int32_t n_threads;      /* CPU threads, 0 = one per usable processor; default 0 */
    int32_t exact;          /* 1: f32 activations and f32 KV rows, nothing rounded on the way; default 0 */
    int32_t kv_dtype;       /* enum ds4x_kv_dtype; default AUTO */
    int32_t
        kv_simulation; /* 1: round KV rows to E4M3 and indexer rows to E2M1 as the released model was trained; default 0 */
    int32_t vocab_only;    /* 1: metadata, tensor directory and vocabulary only, no weights; default 0 */
    int32_t repack;        /* 1: copy weights into a faster layout where there is one; 0: only if that takes at most
                               64 MiB; default 0 */
    int32_t isa;           /* enum ds4x_isa; default AUTO */
    uint32_t n_batch;      /* most tokens computed at once, 0 = 512; longer spans are cut into pieces of this size */
    uint64_t kv_bytes_max; /* most bytes of KV pages, session states and checkpoints, 0 = no limit; default 0 */
    ds4x_log_fn log;       /* NULL = silent */
    void *log_user;
    uint64_t checkpoint_bytes_max; /* most bytes of the checkpoints that sessions make of themselves; 0 = 16 session
                                      states, at least 64 MiB; default 0. They also give way when kv_bytes_max is reached */
} ds4x_options;

DS4X_API void ds4x_options_init(ds4x_options *options, uint32_t struct_size);

/* Opens a model. *out is NULL after a failure. */
DS4X_API int32_t ds4x_engine_open(const ds4x_options *options, ds4x_engine **out, ds4x_error *err);

/* Closes the engine. Its sessions stay valid objects that answer DS4X_ERR_STATE until they are freed. NULL is allowed. */
DS4X_API void ds4x_engine_close(ds4x_engine *engine);

typedef struct ds4x_engine_info {
    uint32_t struct_size;
    int32_t backend; /* the one in use, never AUTO; 0 for a vocabulary-only engine */
    int32_t isa;     /* the one in use (CPU), else 0 */
    int32_t n_threads;
    int32_t exact;
    int32_t kv_dtype; /* DS4X_KV_F32 or DS4X_KV_F16 */
    int32_t kv_simulation;
    int32_t has_weights; /* 0 for a vocabulary-only engine */
    int32_t has_vocab;
    uint32_t n_layer;
    uint32_t n_embd;
    uint32_t n_vocab;
    uint32_t n_head;
    uint32_t head_dim;
    uint32_t n_expert;
    uint32_t n_expert_used;
    uint32_t n_window; /* sliding window, tokens */
    uint32_t n_batch;
    uint32_t page_tokens;     /* tokens covered by one KV page */
    uint32_t n_context_train; /* the file's context_length, 0 when it has none */
    uint64_t n_params;        /* elements of all tensors */
    uint64_t file_bytes;      /* all parts */
    uint64_t weight_bytes;    /* bytes of the tensors the model uses */
    uint64_t decode_bytes;    /* bytes of weights read for one decoded token */
    int32_t token_bos;        /* -1 when the vocabulary has none, also below */
    int32_t token_eos;
    int32_t token_user;
    int32_t token_assistant;
    int32_t token_think_open;
    int32_t token_think_close;
    int32_t token_dsml;
    uint64_t page_bytes; /* of one KV page */
    uint64_t
        state_bytes;  /* of one session's private state; a span of more than 9 tokens holds a second one meanwhile */
    char device[128]; /* the device's name and compute capability; "" for the CPU */
    char backend_reason[640]; /* the backend in use and why: "cpu: no CUDA driver is installed" */
} ds4x_engine_info;

DS4X_API int32_t ds4x_engine_get_info(const ds4x_engine *engine, ds4x_engine_info *info, ds4x_error *err);

typedef struct ds4x_memory {
    uint64_t weights_mapped; /* bytes of the file mapped and read in place; 0 for a device */
    uint64_t weights_copied; /* bytes of weights copied or repacked, or in device memory */
    uint64_t workspace;      /* activations, logits rows, metadata; once per engine */
    uint64_t session_state;  /* private state of the sessions */
    uint64_t kv_pages;       /* pages of compressed rows */
    uint64_t checkpoints;    /* states of checkpoints; the pages they share or keep are in kv_pages */
    uint64_t total;          /* sum of the above */
} ds4x_memory;

/* What n_sessions sessions filled to n_ctx tokens take, sharing nothing. Works on a vocabulary-only engine. */
DS4X_API int32_t ds4x_memory_estimate(const ds4x_engine *engine, uint64_t n_ctx, uint32_t n_sessions, ds4x_memory *out,
                                      ds4x_error *err);
/* What is allocated now. */
DS4X_API int32_t ds4x_memory_used(const ds4x_engine *engine, ds4x_memory *out, ds4x_error *err);

/* ---------------------------------------------------------------------------------------------- metadata and tensors */

/* Types of metadata values, as numbered by the GGUF format. */
enum ds4x_meta_type {
    DS4X_META_U8 = 0,
    DS4X_META_I8 = 1,
    DS4X_META_U16 = 2,
    DS4X_META_I16 = 3,
    DS4X_META_U32 = 4,
    DS4X_META_I32 = 5,
    DS4X_META_F32 = 6,
    DS4X_META_BOOL = 7,
    DS4X_META_STRING = 8,
    DS4X_META_ARRAY = 9,
    DS4X_META_U64 = 10,
    DS4X_META_I64 = 11,
    DS4X_META_F64 = 12
};

typedef struct ds4x_meta {
    int32_t type;      /* enum ds4x_meta_type */
    int32_t item_type; /* of an ARRAY's items, else -1 */
    uint64_t count;    /* items of an ARRAY, else 1 */
    int64_t i;         /* integers and BOOL (U64 above INT64_MAX: see u) */
    uint64_t u;        /* unsigned integers and BOOL */
    double f;          /* F32 and F64 */
    const char *s;     /* STRING, not NUL-terminated, valid while the engine is open */
    uint64_t s_len;
} ds4x_meta;

DS4X_API uint64_t ds4x_meta_count(const ds4x_engine *engine);
/* Key number `index`, NUL-terminated, valid while the engine is open; NULL when out of range. */
DS4X_API const char *ds4x_meta_key(const ds4x_engine *engine, uint64_t index);
/* The value of `key`; DS4X_ERR_ARGUMENT when there is none. */
DS4X_API int32_t ds4x_meta_get(const ds4x_engine *engine, const char *key, ds4x_meta *out, ds4x_error *err);
/* Item number `index` of the array `key`. */
DS4X_API int32_t ds4x_meta_item(const ds4x_engine *engine, const char *key, uint64_t index, ds4x_meta *out,
                                ds4x_error *err);

typedef struct ds4x_tensor {
    const char *name;      /* NUL-terminated, valid while the engine is open */
    const char *type_name; /* "Q8_0" */
    int32_t type;          /* ggml type id */
    uint32_t n_dims;
    uint64_t dims[4]; /* dims[0] is contiguous */
    uint64_t bytes;
} ds4x_tensor;

DS4X_API uint64_t ds4x_tensor_count(const ds4x_engine *engine);
DS4X_API int32_t ds4x_tensor_get(const ds4x_engine *engine, uint64_t index, ds4x_tensor *out, ds4x_error *err);

/* --------------------------------------------------------------------------------------------------------- vocabulary */

/* Text to ids. text may hold NUL bytes and invalid UTF-8. parse_special = 1 turns the protocol literals and control tokens
 * found in the text into their ids; 0 treats everything as plain text, so that it can not forge a control token.
 * User-defined added tokens match in both cases. *n_out is always the number of tokens; DS4X_ERR_BUFFER when cap is
 * smaller (the first cap ids are written). */
DS4X_API int32_t ds4x_tokenize(const ds4x_engine *engine, const char *text, size_t len, int32_t parse_special,
                               int32_t *out, size_t cap, size_t *n_out, ds4x_error *err);
/* Ids to bytes; *n_out is always the number of bytes, DS4X_ERR_BUFFER when cap is smaller. */
DS4X_API int32_t ds4x_detokenize(const ds4x_engine *engine, const int32_t *tokens, size_t n, char *out, size_t cap,
                                 size_t *n_out, ds4x_error *err);
/* The bytes one token stands for; valid while the engine is open, not NUL-terminated. */
DS4X_API int32_t ds4x_token_bytes(const ds4x_engine *engine, int32_t token, const char **out, size_t *len,
                                  ds4x_error *err);

enum ds4x_token_kind {
    DS4X_TOKEN_NORMAL = 1,
    DS4X_TOKEN_UNKNOWN = 2,
    DS4X_TOKEN_CONTROL = 3,
    DS4X_TOKEN_USER = 4,
    DS4X_TOKEN_UNUSED = 5,
    DS4X_TOKEN_BYTE = 6
};
/* enum ds4x_token_kind as the file gives it; 0 when out of range. */
DS4X_API int32_t ds4x_token_get_kind(const ds4x_engine *engine, int32_t token);
/* The id of the token whose text is exactly this; -1 when there is none. */
DS4X_API int32_t ds4x_token_find(const ds4x_engine *engine, const char *text, size_t len);

/* ----------------------------------------------------------------------------------------------------------- sessions */

/* One timeline of tokens with its KV. n_ctx is a limit (1..2^31-1), not an allocation: pages are taken as they fill. */
DS4X_API int32_t ds4x_session_create(ds4x_engine *engine, uint32_t n_ctx, ds4x_session **out, ds4x_error *err);
DS4X_API void ds4x_session_free(ds4x_session *session);          /* NULL is allowed */
DS4X_API uint32_t ds4x_session_pos(const ds4x_session *session); /* tokens consumed; 0 for NULL */
DS4X_API uint32_t ds4x_session_n_ctx(const ds4x_session *session);
/* Copies the first min(cap, pos) token ids; returns pos. */
DS4X_API uint32_t ds4x_session_tokens(const ds4x_session *session, int32_t *out, uint32_t cap);
/* A second session at the same position: KV pages are shared until written, the private state is copied. */
DS4X_API int32_t ds4x_session_fork(ds4x_session *session, ds4x_session **out, ds4x_error *err);
/* Goes back to `pos` <= ds4x_session_pos. Exact for every position: down to 9 tokens before the furthest one computed it
 * costs nothing; further back the nearest checkpoint at or before `pos` is restored and the tokens between are computed
 * again. Unchanged after a failure. cancel as in ds4x_forward. */
DS4X_API int32_t ds4x_session_rewind(ds4x_session *session, uint32_t pos, const int32_t *cancel, ds4x_error *err);
/* The furthest position <= pos that ds4x_session_rewind and ds4x_session_fork_at reach without computing anything. */
DS4X_API uint32_t ds4x_session_near(const ds4x_session *session, uint32_t pos);
/* A second session that holds the first `pos` tokens; costs what a rewind to `pos` costs. */
DS4X_API int32_t ds4x_session_fork_at(ds4x_session *session, uint32_t pos, const int32_t *cancel, ds4x_session **out,
                                      ds4x_error *err);
/* Exchanges what two sessions of one engine with the same n_ctx hold. Nothing is copied. */
DS4X_API int32_t ds4x_session_swap(ds4x_session *a, ds4x_session *b, ds4x_error *err);
/* Makes the session hold exactly these n >= 1 tokens: keeps the longest common prefix, goes back if need be and computes
 * the rest in pieces of n_batch. logits: NULL, or room for n_vocab floats: the last token's. progress: NULL, or called on
 * this thread with the event "prefill_chunk" after every piece, current ascending to total = n; it may read and save the
 * session. Cancelled or failed, the session is unchanged or holds a beginning of `tokens`: at least what it had in common
 * with them. */
typedef void (*ds4x_progress_fn)(void *user, const char *event, uint32_t current, uint32_t total);
DS4X_API int32_t ds4x_session_sync(ds4x_session *session, const int32_t *tokens, uint32_t n, const int32_t *cancel,
                                   ds4x_progress_fn progress, void *user, float *logits, ds4x_error *err);
/* How many tokens `tokens` and the session have in common from the start. */
DS4X_API uint32_t ds4x_session_common_prefix(const ds4x_session *session, const int32_t *tokens, uint32_t n);

/* -------------------------------------------------------------------------------------------------------- checkpoints */

/* A point to which timelines can return: shared pages and a copy of the private state, as small as its position allows.
 * Sessions make some of themselves (automatic: every 2,048 tokens, where the logits of a span's last token were wanted,
, on fork, where
 * bytes were loaded), within checkpoint_bytes_max: where it is used up, the one that saves the fewest tokens per byte goes first.
 * The ones made here are the caller's and stay until they are freed. */
DS4X_API int32_t ds4x_checkpoint_create(ds4x_session *session, ds4x_checkpoint **out, ds4x_error *err);
DS4X_API void ds4x_checkpoint_free(ds4x_checkpoint *checkpoint);            /* NULL is allowed; any thread */
DS4X_API uint32_t ds4x_checkpoint_pos(const ds4x_checkpoint *checkpoint);   /* tokens it holds; 0 for NULL */
DS4X_API uint64_t ds4x_checkpoint_bytes(const ds4x_checkpoint *checkpoint); /* of its copy of the state; pages apart */
/* The lowest position to which a session resumed from it goes back for nothing: its position, or one less, so that a
 * prompt that ends there can be given again and its last token computed for the logits. */
DS4X_API uint32_t ds4x_checkpoint_low(const ds4x_checkpoint *checkpoint);
/* A new session at the checkpoint's position. n_ctx is at least that. */
DS4X_API int32_t ds4x_checkpoint_resume(ds4x_checkpoint *checkpoint, uint32_t n_ctx, ds4x_session **out,
                                        ds4x_error *err);
/* 0: the session makes no automatic checkpoints from now on; those it has stay. Default 1. */
DS4X_API int32_t ds4x_session_auto_checkpoints(ds4x_session *session, int32_t enable, ds4x_error *err);
/* Positions of the checkpoints that the session can go back to, ascending; writes up to cap, returns how many. */
DS4X_API uint32_t ds4x_session_checkpoints(const ds4x_session *session, uint32_t *out, uint32_t cap);

/* ------------------------------------------------------------------------------------------------- sessions as bytes */

enum ds4x_state_format {
    DS4X_STATE_PAGES = 0,  /* ours: pages as they lie in memory, checksummed, with a fingerprint of the model */
    DS4X_STATE_PAYLOAD = 1 /* DS4's payload, version 1: f32 rows, for models of the same shape, without a fingerprint */
};
/* Everything that a session of the same model needs to go on. logits: the last token's n_vocab floats, or NULL;
 * DS4X_STATE_PAYLOAD needs them. The session does not change. */
DS4X_API int32_t ds4x_state_bytes(ds4x_session *session, int32_t format, int32_t with_logits, uint64_t *out,
                                  ds4x_error *err);
/* Writes to a file descriptor, from where it stands; DS4X_ERR_IO when that fails, with part of it written. */
DS4X_API int32_t ds4x_state_save_fd(ds4x_session *session, int32_t format, const float *logits, int32_t fd,
                                    ds4x_error *err);
/* Writes to memory; DS4X_ERR_BUFFER when cap is smaller than ds4x_state_bytes. *n_out is that number. */
DS4X_API int32_t ds4x_state_save(ds4x_session *session, int32_t format, const float *logits, void *out, uint64_t cap,
                                 uint64_t *n_out, ds4x_error *err);
/* Replaces what the session holds. n_bytes is the exact length; everything is checked before the session changes:
 * DS4X_ERR_FORMAT when it is damaged, cut short or of another model, DS4X_ERR_CONTEXT when n_ctx is too small. logits:
 * NULL or room for n_vocab floats; *has_logits (may be NULL) tells whether they were there. */
DS4X_API int32_t ds4x_state_load_fd(ds4x_session *session, int32_t format, int32_t fd, uint64_t n_bytes, float *logits,
                                    int32_t *has_logits, ds4x_error *err);
DS4X_API int32_t ds4x_state_load(ds4x_session *session, int32_t format, const void *in, uint64_t n_bytes, float *logits,
                                 int32_t *has_logits, ds4x_error *err);
/* 32 bytes that tell models apart: shapes, tensor directory, vocabulary, and samples of every tensor. Computed at the first
 * call. */
DS4X_API int32_t ds4x_fingerprint(ds4x_engine *engine, uint8_t out[32], ds4x_error *err);

/* ------------------------------------------------------------------------------------------------- forward and logits */

struct ds4x_sample_params;

typedef struct ds4x_span {
    ds4x_session *session;  /* each session at most once per call */
    const int32_t *tokens;  /* [n_tokens], appended to the session */
    uint32_t n_tokens;      /* >= 1; any length: long spans are computed in pieces of n_batch */
    uint32_t n_wanted;      /* positions whose logits are kept */
    const uint32_t *wanted; /* [n_wanted] offsets into tokens, strictly ascending */
    const int32_t *cancel;  /* NULL, or a flag: nonzero cancels this span; read at least once a layer (CPU) */
    const int32_t
        *abandon; /* NULL, or a second flag with the same meaning, for whoever serves the owner of the first */
    struct ds4x_sample_params *sample; /* NULL, or: also draw a token from its last wanted row, as ds4x_sample; `row` is
                                          set, failures go to its status and leave the span's alone */
    ds4x_error *error;                 /* NULL, or room for the reason when this span or its sample fails */
    int32_t status;                    /* out: enum ds4x_status of this span alone */
    uint32_t first_row;                /* out: its first row of logits; rows first_row .. first_row + n_wanted - 1 */
} ds4x_span;

/* Appends every span to its session, all in one batch. A span that can not be served (bad token, context full, cancelled,
 * out of KV memory) fails alone, in span.status, and its session is unchanged; the others do not notice. Returns DS4X_OK
 * when the call itself was carried out, even if every span failed. err describes the first failed span.
 * cancel: NULL or a flag that cancels all spans. */
DS4X_API int32_t ds4x_forward(ds4x_engine *engine, ds4x_span *spans, uint32_t n_spans, const int32_t *cancel,
                              ds4x_error *err);
/* Number of logits rows left by the last ds4x_forward. */
DS4X_API uint32_t ds4x_n_rows(const ds4x_engine *engine);
/* Copies row `row` (n_vocab floats). cap is in floats. */
DS4X_API int32_t ds4x_logits(ds4x_engine *engine, uint32_t row, float *out, size_t cap, ds4x_error *err);

/* ----------------------------------------------------------------------------------------------------------- sampling */

typedef struct ds4x_token_score {
    int32_t token;
    float logit;
    float logprob; /* natural log, raw logits at temperature 1, before masks, penalties and filters */
} ds4x_token_score;

typedef struct ds4x_sample_params {
    uint32_t struct_size;
    uint32_t row;             /* of the last ds4x_forward; ignored by ds4x_sample_logits */
    float temperature;        /* <= 0: argmax, the generator is not advanced; default 1 */
    int32_t top_k;            /* <= 0: off; default 0 */
    float top_p;              /* default 1 */
    float min_p;              /* relative to the most likely token; default 0 */
    float repetition_penalty; /* > 0: positive logits are divided by it, negative multiplied; default 1 */
    float presence_penalty;   /* subtracted once for each token that occurs; default 0 */
    float frequency_penalty;  /* subtracted once per occurrence; default 0 */
    uint32_t n_penalty;
    const int32_t *penalty_tokens;  /* [n_penalty] distinct ids */
    const uint32_t *penalty_counts; /* [n_penalty] occurrences, 0 allowed; NULL = 1 each */
    const uint32_t *mask;           /* NULL or n_vocab bits, least significant first: 1 = allowed */
    const int32_t *bias_tokens;     /* [n_bias] */
    const float *bias_values;       /* [n_bias] added to the logits; -inf forbids */
    uint32_t n_bias;
    uint32_t n_top;        /* alternatives wanted */
    ds4x_token_score *top; /* [n_top] out: most likely first, ties by lower id */
    uint64_t rng;          /* in/out: state of xorshift64*; one draw per sampled token */
    int32_t token;         /* out */
    float logprob;         /* out: of `token`, as in ds4x_token_score */
    uint32_t n_top_out;    /* out: entries written to `top` */
    int32_t status;        /* out: enum ds4x_status */
} ds4x_sample_params;

DS4X_API void ds4x_sample_params_init(ds4x_sample_params *params, uint32_t struct_size);
/* Samples one token per entry; an entry that fails fails alone, in its status. Order: bias, penalties, mask, temperature, top_k, softmax, min_p and top_p together. */
DS4X_API int32_t ds4x_sample(ds4x_engine *engine, ds4x_sample_params *params, uint32_t n, ds4x_error *err);
/* The same on the caller's logits; needs no engine. */
DS4X_API int32_t ds4x_sample_logits(const float *logits, uint32_t n_vocab, ds4x_sample_params *params, ds4x_error *err);

/* ---------------------------------------------------------------------------------------------------------- profiling */

typedef struct ds4x_op_time {
    const char *name; /* "project", "attend", "experts", ... */
    uint64_t calls;
    uint64_t ns;    /* wall clock */
    uint64_t bytes; /* weights read */
} ds4x_op_time;

/* Starts (1, counters at zero) or stops (0) timing every op; off by default. */
DS4X_API int32_t ds4x_profile(ds4x_engine *engine, int32_t enable, ds4x_error *err);
/* Writes up to cap entries; returns how many there are. */
DS4X_API uint32_t ds4x_profile_read(const ds4x_engine *engine, ds4x_op_time *out, uint32_t cap);
/* The same for the kernels of a device, by name, on the device's clock; none for the CPU. */
DS4X_API uint32_t ds4x_profile_kernels(ds4x_engine *engine, ds4x_op_time *out, uint32_t cap);
/* Layers computed since the engine was opened, counted once per layer and forward piece. */
DS4X_API uint64_t ds4x_layers_computed(const ds4x_engine *engine);

/* ---------------------------------------------------------------------------------------------------- formats, for tests */

/* Number of ggml types with a dequantiser, and the id of each. */
DS4X_API uint32_t ds4x_quant_count(void);
DS4X_API int32_t ds4x_quant_type(uint32_t index);
/* Name, elements and bytes of one block; DS4X_ERR_UNSUPPORTED for an unknown type. */
DS4X_API int32_t ds4x_quant_block(int32_t type, const char **name, uint32_t *elements, uint32_t *bytes);
/* n elements (a multiple of the block) to f32. */
DS4X_API int32_t ds4x_dequantize(int32_t type, const void *blocks, uint64_t n, float *out, ds4x_error *err);
/* out[t * n_rows + r] = W[r] . x[t] with the kernels of one instruction set (enum ds4x_isa). exact = 1: x stays f32. */
DS4X_API int32_t ds4x_matmul(int32_t isa, int32_t type, const void *weights, uint64_t n_rows, uint64_t n_in,
                             const float *x, uint64_t n_tokens, int32_t exact, float *out, ds4x_error *err);

#ifdef __cplusplus
}
#endif
#endif
