// The DS4 names without sessions: constants, opening, NULL, token vectors, tokenizing, chat layout.
#include "check.h"
#include "compat_fixture.h"

#include <algorithm>

using namespace compat_test;

namespace {

std::string sha256(const std::string &text) {
    static const uint32_t k[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
    uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    std::string m = text + '\x80';
    while (m.size() % 64 != 56) m += '\0';
    for (int i = 7; i >= 0; i--) m += char(uint64_t(text.size()) * 8 >> 8 * i);
    const auto rotate = [](uint32_t x, int n) { return x >> n | x << (32 - n); };
    for (size_t at = 0; at < m.size(); at += 64) {
        uint32_t w[64], v[8];
        for (int i = 0; i < 16; i++) {
            w[i] = 0;
            for (size_t b = 0; b < 4; b++) w[i] = w[i] << 8 | uint8_t(m[at + size_t(i) * 4 + b]);
        }
        for (int i = 16; i < 64; i++) {
            const uint32_t a = w[i - 15], b = w[i - 2];
            w[i] = w[i - 16] + w[i - 7] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) +
                   (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
        }
        std::copy(h, h + 8, v);
        for (int i = 0; i < 64; i++) {
            const uint32_t s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
            const uint32_t t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + k[i] + w[i];
            const uint32_t s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
            const uint32_t t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
            std::copy_backward(v, v + 7, v + 8);
            v[0] = t1 + t2;
            v[4] += t1;
        }
        for (int i = 0; i < 8; i++) h[i] += v[i];
    }
    std::string out;
    char hex[9];
    for (uint32_t x : h) out += (std::snprintf(hex, sizeof hex, "%08x", x), hex);
    return out;
}

bool last_error_has(const char *words) { return std::strstr(ds4_last_error(), words) != nullptr; }

} // namespace

TEST(compat_names_and_think_modes) {
    CHECK(!std::strcmp(ds4_backend_name(DS4_BACKEND_METAL), "metal"));
    CHECK(!std::strcmp(ds4_backend_name(DS4_BACKEND_CUDA), "cuda"));
    CHECK(!std::strcmp(ds4_backend_name(DS4_BACKEND_CPU), "cpu"));
    CHECK(!std::strcmp(ds4_backend_name(ds4_backend(3)), "unknown"));
    CHECK(!std::strcmp(ds4_think_mode_name(DS4_THINK_NONE), "none"));
    CHECK(!std::strcmp(ds4_think_mode_name(DS4_THINK_HIGH), "high"));
    CHECK(!std::strcmp(ds4_think_mode_name(DS4_THINK_MAX), "max"));
    CHECK(!std::strcmp(ds4_think_mode_name(ds4_think_mode(3)), "unknown"));
    CHECK(!ds4_think_mode_enabled(DS4_THINK_NONE) && ds4_think_mode_enabled(DS4_THINK_HIGH));
    CHECK(ds4_think_mode_enabled(DS4_THINK_MAX));
    CHECK_EQ(ds4_think_max_min_context(), 393216u);
    CHECK_EQ(ds4_think_mode_for_context(DS4_THINK_MAX, 393215), DS4_THINK_HIGH);
    CHECK_EQ(ds4_think_mode_for_context(DS4_THINK_MAX, -5), DS4_THINK_HIGH);
    CHECK_EQ(ds4_think_mode_for_context(DS4_THINK_MAX, 393216), DS4_THINK_MAX);
    CHECK_EQ(ds4_think_mode_for_context(DS4_THINK_HIGH, 10), DS4_THINK_HIGH);
    CHECK_EQ(ds4_think_mode_for_context(DS4_THINK_NONE, 10), DS4_THINK_NONE);
}

TEST(compat_max_effort_prefix_is_the_published_text) {
    CHECK_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    const std::string text = ds4_think_max_prefix();
    CHECK_EQ(text.size(), size_t(476));
    CHECK_EQ(sha256(text), "f7a24f3b3050d4a83781e9b755b316aae2ec1d9dc87562541d90bcb04d7350f7");
}

TEST(compat_context_memory_is_the_classic_estimate) {
    const std::pair<int, uint64_t> known[] = {
        {4096, 67832338}, {32768, 462423570}, {100000, 1387676922}, {1048576, 14442227218}};
    for (const auto &k : known) {
        const ds4_context_memory m = ds4_context_memory_estimate(DS4_BACKEND_CPU, k.first);
        CHECK_EQ(m.total_bytes, k.second);
        CHECK_EQ(m.total_bytes, m.raw_bytes + m.compressed_bytes + m.scratch_bytes);
        CHECK_EQ(m.raw_cap, 128u);
        CHECK_EQ(m.comp_cap, uint32_t(k.first / 4 + 2));
        CHECK_EQ(m.prefill_cap, 0u);
        CHECK_EQ(ds4_context_memory_estimate(DS4_BACKEND_CUDA, k.first).total_bytes, k.second);
    }
    CHECK_EQ(ds4_context_memory_estimate(DS4_BACKEND_CPU, -3).raw_cap, 1u);
}

TEST(compat_token_vectors) {
    ds4_tokens a{}, b{};
    for (int i = 0; i < 65; i++) ds4_tokens_push(&a, i * 3);
    CHECK_EQ(a.len, 65);
    CHECK_EQ(a.cap, 128);
    CHECK_EQ(a.v[64], 192);
    ds4_tokens_push(&b, 7);
    CHECK_EQ(b.cap, 64);
    CHECK(!ds4_tokens_starts_with(&a, &b));
    ds4_tokens_copy(&b, &a);
    CHECK(b.len == 65 && b.v[64] == 192);
    b.len = 10;
    CHECK(ds4_tokens_starts_with(&a, &b));
    CHECK(!ds4_tokens_starts_with(&b, &a));
    a.len = 3;
    ds4_tokens_copy(&b, &a);
    CHECK_EQ(b.len, 3);
    ds4_tokens_copy(&b, &b);
    CHECK_EQ(b.len, 3);
    ds4_tokens empty{};
    CHECK(ds4_tokens_starts_with(&a, &empty));
    ds4_tokens_copy(&b, &empty);
    CHECK_EQ(b.len, 0);
    std::free(a.v); // callers may
    ds4_tokens_free(&b);
    CHECK(b.v == nullptr && b.len == 0 && b.cap == 0);
}

TEST(compat_open_reports_what_it_can_not_do) {
    ds4_engine_options o{};
    ds4_engine *e = reinterpret_cast<ds4_engine *>(1);
    CHECK_EQ(ds4_engine_open(&e, &o), 1);
    CHECK(e == nullptr && last_error_has("model_path"));
    CHECK_EQ(ds4_engine_open(nullptr, &o), 1);
    CHECK_EQ(ds4_engine_open(&e, nullptr), 1);
    o.backend = DS4_BACKEND_CPU;
    o.model_path = "no/such/file.gguf";
    CHECK_EQ(ds4_engine_open(&e, &o), 1);
    CHECK(last_error_has("no/such/file.gguf"));
    o.model_path = ".";
    CHECK_EQ(ds4_engine_open(&e, &o), 1);
    o.model_path = model_path();
    o.backend = DS4_BACKEND_CUDA;
    CHECK_EQ(ds4_engine_open(&e, &o), 1);
    CHECK(last_error_has("cuda"));
    o.backend = DS4_BACKEND_METAL;
    CHECK_EQ(ds4_engine_open(&e, &o), 1);
    CHECK(last_error_has("metal"));
    o.backend = ds4_backend(7);
    CHECK_EQ(ds4_engine_open(&e, &o), 1);
    CHECK(last_error_has("backend is 7"));
    o.backend = DS4_BACKEND_CPU;
    o.mtp_path = "mtp.gguf";
    CHECK_EQ(ds4_engine_open(&e, &o), 1);
    CHECK(last_error_has("mtp_path mtp.gguf"));
    o.mtp_path = nullptr;
    o.directional_steering_ffn = 0.5f;
    CHECK_EQ(ds4_engine_open(&e, &o), 1);
    CHECK(last_error_has("steering") && e == nullptr);
    o.directional_steering_ffn = 0;
    o.directional_steering_file = "not read while the scales are 0";
    o.mtp_path = "";
    ds4_engine *second = nullptr;
    CHECK_EQ(ds4_engine_open(&e, &o), 0);
    CHECK_EQ(ds4_engine_open(&second, &o), 0); // no lock, no limit
    CHECK(e && second && e != second);
    CHECK_EQ(ds4_engine_routed_quant_bits(e), 2);
    CHECK(!ds4_engine_has_mtp(e));
    CHECK_EQ(ds4_engine_mtp_draft_tokens(e), 0);
    ds4_engine_close(second);
    ds4_engine_close(e);
}

TEST(compat_tolerates_null) {
    char err[64] = "x";
    ds4_tokens t{};
    ds4_token_score score{};
    ds4_session *s = reinterpret_cast<ds4_session *>(1);
    size_t len = 5;
    ds4_engine_close(nullptr);
    ds4_engine_summary(nullptr);
    CHECK_EQ(ds4_engine_routed_quant_bits(nullptr), 0);
    ds4_tokens_push(nullptr, 1);
    ds4_tokens_free(nullptr);
    ds4_tokens_copy(nullptr, &t);
    ds4_tokens_copy(&t, nullptr);
    CHECK(ds4_tokens_starts_with(nullptr, nullptr));
    ds4_tokenize_text(nullptr, "a", &t);
    ds4_tokenize_rendered_chat(nullptr, "a", &t);
    ds4_chat_begin(nullptr, &t);
    ds4_chat_append_message(nullptr, &t, nullptr, nullptr);
    ds4_chat_append_assistant_prefix(nullptr, &t, DS4_THINK_HIGH);
    ds4_encode_chat_prompt(nullptr, nullptr, nullptr, DS4_THINK_MAX, &t);
    CHECK_EQ(t.len, 0);
    char *text = ds4_token_text(nullptr, 1, &len);
    CHECK(text && len == 0);
    std::free(text);
    CHECK_EQ(ds4_token_eos(nullptr), -1);
    CHECK_EQ(ds4_session_create(&s, nullptr, 10), 1);
    CHECK(s == nullptr);
    ds4_session_free(nullptr);
    ds4_session_set_progress(nullptr, nullptr, nullptr);
    CHECK_EQ(ds4_session_sync(nullptr, &t, err, sizeof err), 1);
    CHECK(!std::strcmp(err, "prompt exceeds context"));
    CHECK_EQ(ds4_session_sync(nullptr, nullptr, nullptr, 10), 1);
    CHECK_EQ(ds4_session_rewrite_from_common(nullptr, &t, 0, err, sizeof err), DS4_SESSION_REWRITE_ERROR);
    CHECK_EQ(ds4_session_common_prefix(nullptr, &t), 0);
    CHECK_EQ(ds4_session_eval(nullptr, 1, nullptr, 0), 1);
    CHECK_EQ(ds4_session_eval_speculative_argmax(nullptr, 1, 1, 1, nullptr, 0, nullptr, 0), 0);
    ds4_session_invalidate(nullptr);
    ds4_session_rewind(nullptr, 3);
    CHECK_EQ(ds4_session_pos(nullptr), 0);
    CHECK_EQ(ds4_session_ctx(nullptr), 0);
    CHECK(ds4_session_tokens(nullptr) == nullptr);
    CHECK_EQ(ds4_session_argmax(nullptr), -1);
    CHECK_EQ(ds4_session_argmax_excluding(nullptr, 1), -1);
    CHECK_EQ(ds4_session_sample(nullptr, 1, 0, 1, 0, nullptr), -1);
    CHECK_EQ(ds4_session_top_logprobs(nullptr, &score, 1), 0);
    CHECK_EQ(ds4_session_token_logprob(nullptr, 1, &score), 0);
    CHECK_EQ(ds4_session_payload_bytes(nullptr), uint64_t(0));
    CHECK_EQ(ds4_session_save_payload(nullptr, nullptr, err, sizeof err), 1);
    CHECK_EQ(ds4_session_load_payload(nullptr, nullptr, 0, err, sizeof err), 1);
    CHECK_EQ(ds4_session_save_snapshot(nullptr, nullptr, err, sizeof err), 1);
    CHECK_EQ(ds4_session_load_snapshot(nullptr, nullptr, err, sizeof err), 1);
    CHECK(!std::strcmp(err, "invalid session snapshot load"));
    ds4_session_snapshot_free(nullptr);
    CHECK_EQ(ds4_session_eval(nullptr, 1, err, 4), 1); // a short buffer is cut and terminated
    CHECK_EQ(std::strlen(err), size_t(3));
}

TEST(compat_unsupported_functions_say_so) {
    ds4_tokens t{};
    CHECK(!ds4_log_is_tty(nullptr));
    ds4_log(nullptr, DS4_LOG_ERROR, "%d", 1);
    CHECK(last_error_has("ds4_log is not supported"));
    CHECK(ds4_engine_generate_argmax(nullptr, &t, 1, 1, nullptr, nullptr, nullptr, nullptr, nullptr) != 0);
    CHECK(ds4_engine_collect_imatrix(nullptr, "", "", 1, 1, 1) != 0);
    CHECK(ds4_dump_text_tokenization("", "", nullptr) != 0);
    CHECK(ds4_engine_head_test(nullptr, &t) != 0);
    CHECK(ds4_engine_first_token_test(nullptr, &t) != 0);
    CHECK(ds4_engine_metal_graph_test(nullptr, &t) != 0);
    CHECK(ds4_engine_metal_graph_full_test(nullptr, &t) != 0);
    CHECK(ds4_engine_metal_graph_prompt_test(nullptr, &t, 1) != 0);
    CHECK(last_error_has("ds4_engine_metal_graph_prompt_test"));
    ds4_engine_dump_tokens(nullptr, &t);
    CHECK(last_error_has("ds4_engine_dump_tokens"));
}

TEST(compat_literals_become_ids_only_in_rendered_chat) {
    const Model m;
    const int eos = ds4_token_eos(m.e), user = ds4_token_user(m.e), assistant = ds4_token_assistant(m.e);
    CHECK(eos >= 0 && user >= 0 && assistant >= 0);
    const char *rendered =
        "<｜begin▁of▁sentence｜><｜User｜>hi <b> ｜x｜<｜Assistant｜></think>a<think><｜end▁of▁sentence｜>";
    const std::vector<int> got = m.rendered(rendered);
    std::vector<int> want;
    const auto add = [&](const std::vector<int> &more) { want.insert(want.end(), more.begin(), more.end()); };
    ds4_tokens t{};
    ds4_chat_begin(m.e, &t);
    want = take(t);
    add({user});
    add(m.text("hi <b> ｜x｜"));
    add({assistant});
    const std::vector<int> close = m.rendered("</think>"), open = m.rendered("<think>");
    CHECK(close.size() == 1 && open.size() == 1);
    add(close);
    add(m.text("a"));
    add(open);
    add({eos});
    CHECK(got == want);
    CHECK(m.text("<｜User｜>").size() > 1);
    for (int id : m.text("x<｜Assistant｜><｜end▁of▁sentence｜></think>"))
        CHECK(id != assistant && id != eos && id != user && id != close[0]);
    CHECK_EQ(m.detokenize(got), rendered);
    CHECK(m.text("").empty() && m.rendered("").empty());
    ds4_tokens none{};
    ds4_tokenize_text(m.e, nullptr, &none);
    CHECK_EQ(none.len, 0);
    size_t len = 9;
    for (int id : {-1, 1 << 30}) {
        char *text = ds4_token_text(m.e, id, &len);
        CHECK(text && len == 0 && text[0] == '\0');
        std::free(text);
    }
}

TEST(compat_chat_helpers_lay_out_messages) {
    const Model m;
    const int user = ds4_token_user(m.e), assistant = ds4_token_assistant(m.e);
    const int open = m.rendered("<think>")[0], close = m.rendered("</think>")[0];
    const auto message = [&](const char *role, const char *content) {
        ds4_tokens t{};
        ds4_chat_append_message(m.e, &t, role, content);
        return take(t);
    };
    const auto join = [](std::vector<int> a, const std::vector<int> &b) {
        a.insert(a.end(), b.begin(), b.end());
        return a;
    };
    CHECK(message(nullptr, "hello") == join({user}, m.text("hello")));
    CHECK(message("user", nullptr) == std::vector<int>({user}));
    CHECK(message("anything", "x") == join({user}, m.text("x")));
    CHECK(message("system", "be brief") == m.text("be brief"));
    CHECK(message("developer", "be brief") == m.text("be brief"));
    CHECK(message("assistant", "ok") == join({assistant, close}, m.text("ok")));
    CHECK(message("assistant", "<think>a") == join({assistant}, m.text("<think>a")));
    CHECK(message("assistant", "</think>a") == join({assistant}, m.text("</think>a")));
    CHECK(message("tool", "7") == join(join({user}, m.text("Tool: ")), m.text("7")));
    CHECK(message("function", "7") == message("tool", "7"));
    for (ds4_think_mode mode : {DS4_THINK_NONE, DS4_THINK_HIGH, DS4_THINK_MAX}) {
        ds4_tokens t{};
        ds4_chat_begin(m.e, &t);
        std::vector<int> want = take(t);
        if (mode == DS4_THINK_MAX) want = join(want, m.text(ds4_think_max_prefix()));
        want = join(want, m.text("sys"));
        want = join(join(want, {user}), m.text("hi"));
        want = join(want, {assistant, mode == DS4_THINK_NONE ? close : open});
        ds4_tokens p{};
        ds4_encode_chat_prompt(m.e, "sys", "hi", mode, &p);
        CHECK(take(p) == want);
        ds4_tokens q{};
        ds4_encode_chat_prompt(m.e, nullptr, "hi", mode, &q);
        CHECK_EQ(take(q).size(), want.size() - m.text("sys").size());
    }
}
