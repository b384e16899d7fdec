// Sessions as bytes in our own format: exact continuation, the same bytes however a session got there, and every kind
// of damage and mismatch refused with the session as it was.
#include "api/handles.h"
#include "kv/snapshot.h"
#include "state_fixture.h"
#include "tiny_model.h"

using namespace state_fixture;

namespace {

constexpr int32_t pages = DS4X_STATE_PAGES, payload = DS4X_STATE_PAYLOAD;

std::string embedded_model() {
    const char *path = std::getenv("DS4_TEST_MODEL");
    return path && *path ? path : DS4_TEST_MODEL;
}

struct TinyFile {
    ScratchDir dir;
    std::string path = dir.write("tiny.gguf", tiny_model::make().build());
};

std::string hex_fingerprint(const Model &m) {
    uint8_t f[32];
    ds4x_error err;
    CHECK_EQ(ds4x_fingerprint(m.e, f, &err), DS4X_OK);
    std::string out;
    for (const uint8_t byte : f) out += ds4::format("%02x", byte);
    return out;
}

void check_continues(const Model &m, const std::vector<uint32_t> &positions, uint32_t n_more) {
    const uint32_t end = *std::max_element(positions.begin(), positions.end()) + n_more;
    const std::vector<int32_t> prompt = m.prompt(end);
    Session reference(m, end), walking(m, end);
    const Rows rows = reference.eval(prompt, 0, end, end);
    const std::vector<float> none(m.info.n_vocab);
    for (const uint32_t n : positions) {
        walking.sync(prompt, n);
        const std::vector<float> &logits = n ? rows[n - 1] : none;
        for (const int32_t format : {pages, payload}) {
            const Bytes saved = walking.save(format, &logits);
            Session loaded(m, end);
            loaded.sync(prompt, 11); // what was there is replaced
            std::vector<float> back(m.info.n_vocab, -1);
            int32_t has = -1;
            CHECK_EQ(loaded.load(format, saved, &back, &has), DS4X_OK);
            CHECK_EQ(has, 1);
            CHECK(back == logits);
            CHECK_EQ(loaded.pos(), n);
            CHECK(loaded.tokens() == walking.tokens());
            CHECK(loaded.save(format, &logits) == saved);
            const Rows one = loaded.eval(prompt, n, n + 1, 1);
            CHECK(one[0] == rows[n]);
            const Rows more = loaded.eval(prompt, n + 1, n + n_more, n_more - 1);
            for (uint32_t i = 0; i < more.size(); i++) CHECK(more[i] == rows[n + 1 + i]);
        }
    }
}

} // namespace

TEST(snapshot_continues_bit_identically) {
    const std::string path = embedded_model();
    for (const bool f32 : {false, true}) {
        const Model m(path, f32 ? DS4X_KV_F32 : DS4X_KV_F16);
        const uint32_t w = m.info.n_window, p = m.info.page_tokens;
        std::vector<uint32_t> at = {0,      1,      2,      3,     4, 5,     9,         10,    w - 1,     w,  w + 1,
                                    w + 15, w + 16, w + 17, p - 1, p, p + 1, 2 * p - 1, 2 * p, 2 * p + 1, 300};
        std::sort(at.begin(), at.end());
        at.erase(std::unique(at.begin(), at.end()), at.end());
        check_continues(m, at, 12);
    }
}

TEST(snapshot_continues_bit_identically_at_every_position_of_a_small_model) {
    const TinyFile file;
    std::vector<uint32_t> at(290);
    for (uint32_t i = 0; i < at.size(); i++) at[i] = i;
    check_continues(Model(file.path), at, 6);
    check_continues(Model(file.path, DS4X_KV_F32, true), {0, 3, 4, 127, 128, 129, 255, 256, 257}, 6);
}

TEST(snapshot_does_not_depend_on_how_the_session_got_there) {
    const TinyFile file;
    const Model m(file.path);
    const std::vector<int32_t> prompt = m.prompt(320);
    for (const uint32_t n : {0u, 1u, 7u, 127u, 128u, 131u, 256u, 300u}) {
        Session whole(m, 400), single(m, 1000), sevens(m, 320), back(m, 400), replaced(m, 400);
        whole.sync(prompt, n);
        const Bytes saved = whole.save(pages);
        for (uint32_t i = 0; i < n; i++) single.sync(prompt, i + 1);
        for (uint32_t i = 7; i < n; i += 7) sevens.sync(prompt, i);
        sevens.sync(prompt, n);
        back.sync(prompt, n + 9);
        ds4x_session_rewind(back.s, n, nullptr, nullptr);
        replaced.sync(prompt, 250);
        CHECK_EQ(replaced.load(pages, saved), DS4X_OK);
        ds4x_session *fork = nullptr;
        CHECK_EQ(ds4x_session_fork(whole.s, &fork, nullptr), DS4X_OK);
        Session forked(m, 400);
        std::swap(forked.s, fork);
        ds4x_session_free(fork);
        for (Session *s : {&single, &sevens, &back, &replaced, &forked}) CHECK(s->save(pages) == saved);
    }
}

TEST(snapshot_without_logits_leaves_the_callers_alone) {
    const TinyFile file;
    const Model m(file.path);
    Session s(m, 64), loaded(m, 64);
    s.sync(m.prompt(20), 20);
    const std::vector<float> logits(m.info.n_vocab, 2.5f);
    CHECK_EQ(s.bytes(pages, true), s.bytes(pages, false) + 4 * m.info.n_vocab + 4);
    std::vector<float> mine(m.info.n_vocab, 7);
    int32_t has = -1;
    CHECK_EQ(loaded.load(pages, s.save(pages), &mine, &has), DS4X_OK);
    CHECK(has == 0 && mine == std::vector<float>(m.info.n_vocab, 7));
    CHECK_EQ(loaded.load(pages, s.save(pages, &logits), &mine, &has), DS4X_OK);
    CHECK(has == 1 && mine == logits);
    CHECK_EQ(loaded.load(pages, s.save(pages, &logits)), DS4X_OK); // nobody wants them
}

TEST(snapshot_can_be_rewound_and_forked_after_loading) {
    const TinyFile file;
    const Model m(file.path);
    const std::vector<int32_t> prompt = m.prompt(200);
    Session reference(m, 200), source(m, 200);
    const Rows rows = reference.eval(prompt, 0, 200, 200);
    source.sync(prompt, 134);
    const Bytes saved = source.save(pages);
    for (const uint32_t ahead : {0u, 3u, 20u}) {
        for (const uint32_t to : {0u, 1u, 100u, 125u, 127u, 128u, 131u, 133u, 134u}) {
            Session loaded(m, 200);
            CHECK_EQ(loaded.load(pages, saved), DS4X_OK);
            loaded.sync(prompt, 134 + ahead);
            CHECK_EQ(ds4x_session_rewind(loaded.s, to, nullptr, &loaded.err), DS4X_OK);
            CHECK(loaded.eval(prompt, to, to + 3, 1)[0] == rows[to + 2]);
        }
    }
    Session loaded(m, 200);
    CHECK_EQ(loaded.load(pages, saved), DS4X_OK);
    ds4x_session *fork = nullptr;
    CHECK_EQ(ds4x_session_fork(loaded.s, &fork, nullptr), DS4X_OK);
    Session forked(m, 200);
    std::swap(forked.s, fork);
    ds4x_session_free(fork);
    CHECK(forked.eval(prompt, 134, 140, 1)[0] == rows[139]);
    CHECK(loaded.eval(prompt, 134, 140, 1)[0] == rows[139]);
}

TEST(snapshot_loaded_and_kept_as_a_checkpoint_can_be_rewound) {
    const TinyFile file;
    const Model m(file.path);
    const std::vector<int32_t> prompt = m.prompt(200);
    Session reference(m, 200), source(m, 200);
    const Rows rows = reference.eval(prompt, 0, 200, 200);
    source.sync(prompt, 134);
    const Bytes saved = source.save(pages);
    Session loaded(m, 200);
    loaded.sync(m.prompt(199), 199); // rows of other positions
    CHECK_EQ(loaded.load(pages, saved), DS4X_OK);
    ds4x_checkpoint *checkpoint = nullptr;
    CHECK_EQ(ds4x_checkpoint_create(loaded.s, &checkpoint, &loaded.err), DS4X_OK);
    CHECK_EQ(ds4x_checkpoint_low(checkpoint), 134u); // the bytes hold nothing that goes back
    ds4x_session *resumed = nullptr;
    CHECK_EQ(ds4x_checkpoint_resume(checkpoint, 200, &resumed, nullptr), DS4X_OK);
    Session again(m, 200);
    std::swap(again.s, resumed);
    ds4x_session_free(resumed);
    ds4x_checkpoint_free(checkpoint);
    CHECK_EQ(ds4x_session_rewind(again.s, 133, nullptr, &again.err), DS4X_OK);
    CHECK(again.eval(prompt, 133, 137, 1)[0] == rows[136]);
}

TEST(snapshot_loads_into_any_context_that_is_long_enough) {
    const TinyFile file;
    const Model m(file.path);
    Session source(m, 131), exact(m, 131), larger(m, 5000), smaller(m, 130);
    source.sync(m.prompt(131), 131);
    const Bytes saved = source.save(pages);
    CHECK_EQ(exact.load(pages, saved), DS4X_OK);
    CHECK_EQ(larger.load(pages, saved), DS4X_OK);
    CHECK(larger.save(pages) == saved);
    CHECK_EQ(smaller.load(pages, saved), DS4X_ERR_CONTEXT);
    CHECK(smaller.says("holds 131 tokens, this session's n_ctx is 130"));
    CHECK_EQ(smaller.pos(), 0u);
}

TEST(snapshot_refuses_every_flipped_byte_and_every_truncation) {
    const TinyFile file;
    const Model m(file.path);
    const std::vector<int32_t> prompt = m.prompt(140);
    Session reference(m, 200), source(m, 200), s(m, 200);
    const Rows rows = reference.eval(prompt, 0, 140, 140);
    source.sync(prompt, 131);
    const Bytes good = source.save(pages, &rows[130]);
    s.sync(prompt, 30);
    const Bytes before = s.save(pages);
    const std::vector<float> untouched(m.info.n_vocab, 7);
    std::vector<float> logits = untouched;
    int32_t has = -1;
    // Below the C API, where the fingerprint is computed once; `given` bytes of them are there.
    const ds4::Fingerprint model = ds4::model_fingerprint(m.e->core->file(), m.e->core->config());
    size_t wrong = 0;
    const auto refuse = [&](const Bytes &bytes, size_t there, size_t given) {
        ds4::MemorySource source(bytes.data(), there);
        try {
            ds4::load_snapshot(*s.s->core, model, source, given, logits);
            wrong++;
        } catch (const ds4::Error &e) {
            wrong += e.code() != DS4X_ERR_FORMAT || s.pos() != 30;
        }
    };
    Bytes bad = good;
    for (size_t i = 0; i < good.size(); i++) {
        bad[i] ^= uint8_t(1u << i % 8);
        refuse(bad, bad.size(), bad.size());
        bad[i] = good[i];
    }
    CHECK_EQ(wrong, size_t(0));
    for (size_t n = 0; n < good.size(); n++) {
        refuse(good, n, n);
        refuse(good, n, good.size()); // a source that ends early
    }
    CHECK_EQ(wrong, size_t(0));
    for (size_t i = 0; i < good.size(); i += 97) { // and through it
        bad[i] ^= 0x80;
        CHECK_EQ(s.load(pages, bad, &logits, &has), DS4X_ERR_FORMAT);
        bad[i] = good[i];
        CHECK_EQ(s.load(pages, Bytes(good.begin(), good.begin() + long(i)), &logits, &has), DS4X_ERR_FORMAT);
    }
    Bytes longer = good;
    longer.push_back(0);
    CHECK_EQ(s.load(pages, longer, &logits, &has), DS4X_ERR_FORMAT);
    CHECK(s.says(ds4::format("followed by other bytes: it has %zu bytes, %zu are given", good.size(), longer.size())));
    CHECK(s.load(pages, Bytes(good.begin(), good.end() - 1)) == DS4X_ERR_FORMAT && s.says("cut short"));
    CHECK(s.load(pages, {}) == DS4X_ERR_FORMAT && s.says("its header has 92 bytes, 0 are given"));

    CHECK(logits == untouched && has == -1);
    CHECK(s.pos() == 30 && s.save(pages) == before);
    CHECK(s.eval(prompt, 30, 35, 1)[0] == rows[34]);
    CHECK_EQ(s.load(pages, good, &logits, &has), DS4X_OK); // and still loads what is sound
    CHECK(logits == rows[130]);
    CHECK(s.eval(prompt, 131, 140, 1)[0] == rows[139]);
}

TEST(snapshot_pages_can_not_change_places) {
    const TinyFile file;
    const Model m(file.path);
    Session one(m, 300), two(m, 300), s(m, 300);
    std::vector<int32_t> prompt = m.prompt(256);
    one.sync(prompt, 256);
    prompt[0] = 5;
    two.sync(prompt, 256);
    const Bytes good = one.save(pages), other = two.save(pages);
    const std::vector<Section> parts = sections(good);
    const Section a = parts[parts.size() - 2], b = parts.back();
    CHECK_EQ(a.end - a.begin, b.end - b.begin);
    Bytes swapped = good;
    std::swap_ranges(swapped.begin() + long(a.begin), swapped.begin() + long(a.end + 4),
                     swapped.begin() + long(b.begin));
    CHECK_EQ(s.load(pages, swapped), DS4X_ERR_FORMAT);
    CHECK(s.says("up to its KV page 0"));
    Bytes mixed = good;
    std::copy(other.begin() + long(b.begin), other.end(), mixed.begin() + long(b.begin));
    CHECK_EQ(s.load(pages, mixed), DS4X_ERR_FORMAT);
    CHECK(s.says("up to its KV page 1"));
    CHECK_EQ(s.pos(), 0u);
}

TEST(snapshot_names_what_does_not_agree) {
    const TinyFile file;
    const Model m(file.path);
    Session source(m, 200), s(m, 200);
    source.sync(m.prompt(150), 150);
    const Bytes good = source.save(pages);
    CHECK(sealed(good) == good);
    const auto refuses = [&](const Bytes &b, const std::string &words, int32_t code = DS4X_ERR_FORMAT) {
        CHECK_EQ(s.load(pages, b), code);
        if (!s.says(words)) check::report(__FILE__, __LINE__, "expected \"" + words + "\", got \"" + s.error() + "\"");
        CHECK_EQ(s.pos(), 0u);
    };
    const uint64_t total = good.size(), state = get<uint64_t>(good, at_state_bytes);
    const uint64_t page = get<uint64_t>(good, at_page_bytes);
    refuses(with<uint8_t>(good, at_magic, 'X'),
            "begins with 5853345354415445, expected 4453345354415445 (\"DS4STATE\")");
    refuses(with<uint32_t>(good, at_version, 2), "format version 2, this libds4 reads version 1");
    refuses(with<uint32_t>(good, at_flags, 8), "flags 0x8, this libds4 knows 0x7");
    refuses(with<uint32_t>(good, at_flags, 1), "computed with exact = 1, this engine has exact = 0");
    refuses(with<uint32_t>(good, at_flags, 2), "computed with kv_simulation = 1, this engine has kv_simulation = 0");
    refuses(with<uint32_t>(good, at_flags, 4), "total_bytes = ");
    refuses(with<uint64_t>(good, at_total_bytes, total + 1),
            ds4::format("total_bytes = %llu, expected %llu", (unsigned long long)total + 1, (unsigned long long)total));
    refuses(with<uint64_t>(good, at_total_bytes, UINT64_MAX), "total_bytes = 18446744073709551615");
    refuses(with<uint64_t>(good, at_state_bytes, state - 4), ds4::format("expected %llu", (unsigned long long)state));
    refuses(with<uint64_t>(good, at_page_bytes, page + 64), ds4::format("expected %llu", (unsigned long long)page));
    refuses(with<uint32_t>(good, at_page_tokens, 64), "page_tokens = 64, expected 128");
    refuses(with<uint32_t>(good, at_kv_dtype, DS4X_KV_F32), "has f32 KV rows (kv_dtype 1), this engine keeps f16 (2)");
    refuses(with<uint32_t>(good, at_kv_dtype, 9), "unknown KV rows (kv_dtype 9)");
    refuses(with<uint32_t>(good, at_n_vocab, 271), "n_vocab = 271, expected 272");
    refuses(with<uint32_t>(good, at_n_tokens, 201), "holds 201 tokens, this session's n_ctx is 200", DS4X_ERR_CONTEXT);
    refuses(with<uint32_t>(good, at_n_tokens, UINT32_MAX), "holds 4294967295 tokens", DS4X_ERR_CONTEXT);
    refuses(with<uint32_t>(good, at_n_tokens, 149), "bytes = ");
    refuses(with<int32_t>(good, at_tokens, 272), "token 272 at 0, outside the vocabulary of 272");
    refuses(with<int32_t>(good, at_tokens + 4 * 149, -1), "token -1 at 149");
    CHECK_EQ(s.load(pages, good), DS4X_OK);

    const Model f32(file.path, DS4X_KV_F32), exact(file.path, DS4X_KV_F32, true);
    Session of_f32(f32, 200), of_exact(exact, 200);
    CHECK_EQ(of_f32.load(pages, good), DS4X_ERR_FORMAT);
    CHECK(of_f32.says("has f16 KV rows (kv_dtype 2), this engine keeps f32 (1)"));
    of_f32.sync(m.prompt(9), 9);
    CHECK_EQ(of_exact.load(pages, of_f32.save(pages)), DS4X_ERR_FORMAT);
    CHECK(of_exact.says("exact = 0, this engine has exact = 1"));
}

TEST(snapshot_of_another_model_is_refused_by_its_fingerprint) {
    const TinyFile file;
    gguf_builder::Builder b = tiny_model::make();
    b.tensor("output.weight")->data[100] ^= 1;
    const Model m(file.path), other(file.dir.write("other.gguf", b.build()));
    Session source(m, 64), s(other, 64);
    source.sync(m.prompt(10), 10);
    CHECK_EQ(s.load(pages, source.save(pages)), DS4X_ERR_FORMAT);
    CHECK(s.says("its fingerprint is " + hex_fingerprint(m) + ", this model's is " + hex_fingerprint(other)));
    // DS4's payload has no fingerprint: models of the same shape take each other's.
    const std::vector<float> logits(m.info.n_vocab);
    CHECK_EQ(s.load(payload, source.save(payload, &logits)), DS4X_OK);
}

TEST(snapshot_payload_crosses_kv_dtypes_as_f32_rows) {
    const std::string path = embedded_model();
    const Model half(path, DS4X_KV_F16), full(path, DS4X_KV_F32);
    const std::vector<int32_t> prompt = half.prompt(150);
    const std::vector<float> logits(half.info.n_vocab);
    Session of_half(half, 200), of_full(full, 200), loaded_full(full, 200), loaded_half(half, 200);
    of_half.sync(prompt, 140);
    const Bytes from_half = of_half.save(payload, &logits);
    CHECK_EQ(loaded_full.load(payload, from_half), DS4X_OK);
    CHECK(loaded_full.save(payload, &logits) == from_half); // every half is a float
    of_full.sync(prompt, 140);
    const Bytes from_full = of_full.save(payload, &logits);
    CHECK_EQ(loaded_half.load(payload, from_full), DS4X_OK); // rounded
    CHECK_EQ(loaded_half.pos(), 140u);
    const Bytes rounded = loaded_half.save(payload, &logits);
    CHECK(rounded.size() == from_full.size() && rounded != from_full);
    loaded_half.eval(prompt, 140, 150, 1);
}

TEST(snapshot_arguments_are_checked) {
    const TinyFile file;
    const Model m(file.path);
    Session s(m, 64);
    s.sync(m.prompt(10), 10);
    ds4x_error err{};
    uint64_t n = 0;
    uint8_t byte = 0x5a;
    const auto says = [&](const char *words) { return std::strstr(err.message, words) != nullptr; };
    CHECK(ds4x_state_bytes(nullptr, pages, 0, &n, &err) == DS4X_ERR_ARGUMENT && says("session is NULL"));
    CHECK(ds4x_state_bytes(s.s, pages, 0, nullptr, &err) == DS4X_ERR_ARGUMENT && says("out is NULL"));
    CHECK(ds4x_state_bytes(s.s, 2, 0, &n, &err) == DS4X_ERR_ARGUMENT && says("format is 2"));
    CHECK(ds4x_state_bytes(s.s, payload, 0, &n, &err) == DS4X_ERR_ARGUMENT && says("needs the last token's logits"));
    CHECK(ds4x_state_save_fd(nullptr, pages, nullptr, 1, &err) == DS4X_ERR_ARGUMENT);
    CHECK(ds4x_state_save_fd(s.s, -1, nullptr, 1, &err) == DS4X_ERR_ARGUMENT && says("format is -1"));
    CHECK(ds4x_state_save(s.s, payload, nullptr, &byte, 1, &n, &err) == DS4X_ERR_ARGUMENT && says("needs the last"));
    CHECK(ds4x_state_save(s.s, pages, nullptr, &byte, 1, nullptr, &err) == DS4X_ERR_ARGUMENT && says("n_out is NULL"));
    CHECK(ds4x_state_save(s.s, pages, nullptr, nullptr, 1 << 30, &n, &err) == DS4X_ERR_ARGUMENT && says("out is NULL"));
    CHECK(ds4x_state_save(s.s, pages, nullptr, nullptr, 0, &n, &err) == DS4X_ERR_BUFFER);
    CHECK_EQ(n, s.bytes(pages, false));
    Bytes small(n - 1, 0x5a);
    CHECK(ds4x_state_save(s.s, pages, nullptr, small.data(), n - 1, &n, &err) == DS4X_ERR_BUFFER && says("room for"));
    CHECK(small == Bytes(n - 1, 0x5a));
    CHECK(ds4x_state_load(nullptr, pages, &byte, 1, nullptr, nullptr, &err) == DS4X_ERR_ARGUMENT);
    CHECK(ds4x_state_load(s.s, pages, nullptr, 1, nullptr, nullptr, &err) == DS4X_ERR_ARGUMENT && says("in is NULL"));
    CHECK(ds4x_state_load(s.s, 7, &byte, 1, nullptr, nullptr, &err) == DS4X_ERR_ARGUMENT && says("format is 7"));
    CHECK(ds4x_state_load_fd(s.s, 7, 0, 1, nullptr, nullptr, &err) == DS4X_ERR_ARGUMENT && says("format is 7"));
    CHECK_EQ(ds4x_state_load_fd(nullptr, pages, 0, 1, nullptr, nullptr, &err), DS4X_ERR_ARGUMENT);
    CHECK(ds4x_fingerprint(nullptr, &byte, &err) == DS4X_ERR_ARGUMENT && says("engine is NULL"));
    CHECK(ds4x_fingerprint(m.e, nullptr, &err) == DS4X_ERR_ARGUMENT && says("out is NULL"));
    CHECK(byte == 0x5a && s.pos() == 10);
}

TEST(snapshot_of_a_closed_engine_is_refused) {
    const TinyFile file;
    ds4x_session *s = nullptr;
    ds4x_error err{};
    {
        const Model m(file.path);
        CHECK_EQ(ds4x_session_create(m.e, 10, &s, &err), DS4X_OK);
    }
    uint64_t n = 0;
    uint8_t byte = 0;
    for (const int32_t format : {pages, payload}) {
        CHECK_EQ(ds4x_state_bytes(s, format, 1, &n, &err), DS4X_ERR_STATE);
        CHECK_EQ(ds4x_state_load(s, format, &byte, 1, nullptr, nullptr, &err), DS4X_ERR_STATE);
    }
    ds4x_session_free(s);
}

TEST(snapshot_without_memory_for_it_changes_nothing) {
    const TinyFile file;
    const Model large(file.path);
    Session source(large, 2000);
    source.sync(large.prompt(1500), 1500);
    const Bytes saved = source.save(pages);
    // Room for two states, and fewer pages than were saved.
    const ds4::KvLayout &layout = large.e->core->kv_layout();
    const Model m(file.path, DS4X_KV_F16, false, false, 2 * layout.state_bytes + 6 * layout.page_bytes);
    const std::vector<int32_t> prompt = m.prompt(260);
    Session s(m, 2000);
    s.sync(prompt, 250);
    const Bytes before = s.save(pages);
    CHECK_EQ(s.load(pages, saved), DS4X_ERR_MEMORY);
    CHECK(s.says("KV budget"));
    CHECK(s.save(pages) == before);
    Session reference(large, 300);
    CHECK(s.eval(prompt, 250, 260, 1) == reference.eval(prompt, 0, 260, 1));
}
