/* What ds4.h promises to programs compiled against the interface of 2026-05-21: enum values, struct layout A, 64 names.
 * Included by a C and a C++ translation unit. */
#include "ds4.h"

#include <assert.h>
#include <stddef.h>

#define DS4_LAYOUT(type, field, offset) static_assert(offsetof(type, field) == (offset), #type "." #field)

static_assert(DS4_BACKEND_METAL == 0 && DS4_BACKEND_CUDA == 1 && DS4_BACKEND_CPU == 2, "backends");
static_assert(DS4_THINK_NONE == 0 && DS4_THINK_HIGH == 1 && DS4_THINK_MAX == 2, "think modes");
static_assert(DS4_LOG_DEFAULT == 0 && DS4_LOG_KVCACHE == 3 && DS4_LOG_TIMING == 6 && DS4_LOG_ERROR == 8, "log types");
static_assert(DS4_SESSION_REWRITE_ERROR == -1 && DS4_SESSION_REWRITE_OK == 0 && DS4_SESSION_REWRITE_REBUILD_NEEDED == 1,
              "rewrite results");
static_assert(sizeof(ds4_backend) == 4 && sizeof(ds4_think_mode) == 4 && sizeof(ds4_session_rewrite_result) == 4,
              "int");

static_assert(sizeof(void *) == 8, "layout A is the one of 64-bit systems");
static_assert(sizeof(ds4_tokens) == 16, "ds4_tokens");
DS4_LAYOUT(ds4_tokens, v, 0);
DS4_LAYOUT(ds4_tokens, len, 8);
DS4_LAYOUT(ds4_tokens, cap, 12);
static_assert(sizeof(ds4_token_score) == 12, "ds4_token_score");
DS4_LAYOUT(ds4_token_score, id, 0);
DS4_LAYOUT(ds4_token_score, logit, 4);
DS4_LAYOUT(ds4_token_score, logprob, 8);
static_assert(sizeof(ds4_engine_options) == 56, "ds4_engine_options");
DS4_LAYOUT(ds4_engine_options, model_path, 0);
DS4_LAYOUT(ds4_engine_options, mtp_path, 8);
DS4_LAYOUT(ds4_engine_options, backend, 16);
DS4_LAYOUT(ds4_engine_options, n_threads, 20);
DS4_LAYOUT(ds4_engine_options, mtp_draft_tokens, 24);
DS4_LAYOUT(ds4_engine_options, mtp_margin, 28);
DS4_LAYOUT(ds4_engine_options, directional_steering_file, 32);
DS4_LAYOUT(ds4_engine_options, directional_steering_attn, 40);
DS4_LAYOUT(ds4_engine_options, directional_steering_ffn, 44);
DS4_LAYOUT(ds4_engine_options, warm_weights, 48);
DS4_LAYOUT(ds4_engine_options, quality, 49);
static_assert(sizeof(ds4_context_memory) == 48, "ds4_context_memory");
DS4_LAYOUT(ds4_context_memory, total_bytes, 0);
DS4_LAYOUT(ds4_context_memory, raw_bytes, 8);
DS4_LAYOUT(ds4_context_memory, compressed_bytes, 16);
DS4_LAYOUT(ds4_context_memory, scratch_bytes, 24);
DS4_LAYOUT(ds4_context_memory, prefill_cap, 32);
DS4_LAYOUT(ds4_context_memory, raw_cap, 36);
DS4_LAYOUT(ds4_context_memory, comp_cap, 40);
static_assert(sizeof(ds4_session_snapshot) == 24, "ds4_session_snapshot");
DS4_LAYOUT(ds4_session_snapshot, ptr, 0);
DS4_LAYOUT(ds4_session_snapshot, len, 8);
DS4_LAYOUT(ds4_session_snapshot, cap, 16);

typedef void (*ds4_any_function)(void);
#define DS4_NAME(f) (ds4_any_function) f
static const ds4_any_function ds4_all_names[] = {DS4_NAME(ds4_backend_name),
                                                 DS4_NAME(ds4_chat_append_assistant_prefix),
                                                 DS4_NAME(ds4_chat_append_max_effort_prefix),
                                                 DS4_NAME(ds4_chat_append_message),
                                                 DS4_NAME(ds4_chat_begin),
                                                 DS4_NAME(ds4_context_memory_estimate),
                                                 DS4_NAME(ds4_dump_text_tokenization),
                                                 DS4_NAME(ds4_encode_chat_prompt),
                                                 DS4_NAME(ds4_engine_close),
                                                 DS4_NAME(ds4_engine_collect_imatrix),
                                                 DS4_NAME(ds4_engine_dump_tokens),
                                                 DS4_NAME(ds4_engine_first_token_test),
                                                 DS4_NAME(ds4_engine_generate_argmax),
                                                 DS4_NAME(ds4_engine_has_mtp),
                                                 DS4_NAME(ds4_engine_head_test),
                                                 DS4_NAME(ds4_engine_metal_graph_full_test),
                                                 DS4_NAME(ds4_engine_metal_graph_prompt_test),
                                                 DS4_NAME(ds4_engine_metal_graph_test),
                                                 DS4_NAME(ds4_engine_mtp_draft_tokens),
                                                 DS4_NAME(ds4_engine_open),
                                                 DS4_NAME(ds4_engine_routed_quant_bits),
                                                 DS4_NAME(ds4_engine_summary),
                                                 DS4_NAME(ds4_log),
                                                 DS4_NAME(ds4_log_is_tty),
                                                 DS4_NAME(ds4_session_argmax),
                                                 DS4_NAME(ds4_session_argmax_excluding),
                                                 DS4_NAME(ds4_session_common_prefix),
                                                 DS4_NAME(ds4_session_create),
                                                 DS4_NAME(ds4_session_ctx),
                                                 DS4_NAME(ds4_session_eval),
                                                 DS4_NAME(ds4_session_eval_speculative_argmax),
                                                 DS4_NAME(ds4_session_free),
                                                 DS4_NAME(ds4_session_invalidate),
                                                 DS4_NAME(ds4_session_load_payload),
                                                 DS4_NAME(ds4_session_load_snapshot),
                                                 DS4_NAME(ds4_session_payload_bytes),
                                                 DS4_NAME(ds4_session_pos),
                                                 DS4_NAME(ds4_session_rewind),
                                                 DS4_NAME(ds4_session_rewrite_from_common),
                                                 DS4_NAME(ds4_session_rewrite_requires_rebuild),
                                                 DS4_NAME(ds4_session_sample),
                                                 DS4_NAME(ds4_session_save_payload),
                                                 DS4_NAME(ds4_session_save_snapshot),
                                                 DS4_NAME(ds4_session_set_progress),
                                                 DS4_NAME(ds4_session_snapshot_free),
                                                 DS4_NAME(ds4_session_sync),
                                                 DS4_NAME(ds4_session_token_logprob),
                                                 DS4_NAME(ds4_session_tokens),
                                                 DS4_NAME(ds4_session_top_logprobs),
                                                 DS4_NAME(ds4_think_max_min_context),
                                                 DS4_NAME(ds4_think_max_prefix),
                                                 DS4_NAME(ds4_think_mode_enabled),
                                                 DS4_NAME(ds4_think_mode_for_context),
                                                 DS4_NAME(ds4_think_mode_name),
                                                 DS4_NAME(ds4_token_assistant),
                                                 DS4_NAME(ds4_token_eos),
                                                 DS4_NAME(ds4_token_text),
                                                 DS4_NAME(ds4_token_user),
                                                 DS4_NAME(ds4_tokenize_rendered_chat),
                                                 DS4_NAME(ds4_tokenize_text),
                                                 DS4_NAME(ds4_tokens_copy),
                                                 DS4_NAME(ds4_tokens_free),
                                                 DS4_NAME(ds4_tokens_push),
                                                 DS4_NAME(ds4_tokens_starts_with)};
static_assert(sizeof ds4_all_names / sizeof ds4_all_names[0] == 64, "64 names");
