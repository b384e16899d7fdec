// Saved sessions: bit-identical continuation, upstream's checks and messages, and damage that must not touch a session.
#include "check.h"
#include "compat_fixture.h"
#include "state_fixture.h"

#include <limits>

using namespace compat_test;

namespace {

using Bytes = std::vector<uint8_t>;

Bytes snapshot_of(ds4_session *s) {
    ds4_session_snapshot snap{};
    char err[256] = "";
    CHECK_EQ(ds4_session_save_snapshot(s, &snap, err, sizeof err), 0);
    CHECK_EQ(snap.len, ds4_session_payload_bytes(s));
    Bytes out(snap.ptr, snap.ptr + snap.len);
    ds4_session_snapshot_free(&snap);
    CHECK(snap.ptr == nullptr && snap.len == 0 && snap.cap == 0);
    return out;
}
int load(Session &s, const Bytes &bytes) {
    Bytes copy = bytes; // its own heap block, so that a sanitizer sees reads past the end
    const ds4_session_snapshot snap{copy.data(), copy.size(), copy.size()};
    return ds4_session_load_snapshot(s.s, &snap, s.err, sizeof s.err);
}
uint32_t get(const Bytes &b, size_t index) {
    uint32_t v;
    std::memcpy(&v, b.data() + 4 * index, 4);
    return v;
}
Bytes with(Bytes b, size_t index, uint32_t value) {
    std::memcpy(b.data() + 4 * index, &value, 4);
    return b;
}
Bytes with_float(const Bytes &b, size_t index, float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    return with(b, index, bits);
}
std::vector<int> first(const std::vector<int> &v, int n) { return std::vector<int>(v.begin(), v.begin() + n); }

enum {
    f_magic,
    f_version,
    f_ctx,
    f_prefill_cap,
    f_raw_cap,
    f_raw_window,
    f_comp_cap,
    f_tokens,
    f_layers,
    f_head_dim,
    f_idx_dim,
    f_vocab,
    f_raw_live,
    n_fields
};

} // namespace

TEST(payload_continues_bit_identically) {
    for (const bool quality : {true, false}) {
        const Model m(quality);
        const std::vector<int> prompt = m.prompt(300);
        const std::vector<int> lengths =
            quality ? std::vector<int>{1, 2, 3, 4, 5, 8, 127, 129, 256} : std::vector<int>{3, 7, 132, 260};
        for (int n : lengths) {
            Session original(m, 512), loaded(m, 512);
            CHECK_EQ(original.sync(first(prompt, n)), 0);
            CHECK_EQ(loaded.sync(first(prompt, 11)), 0); // what was there is replaced
            const Bytes bytes = snapshot_of(original.s);
            CHECK_EQ(load(loaded, bytes), 0);
            CHECK_EQ(ds4_session_pos(loaded.s), n);
            CHECK(loaded.tokens() == first(prompt, n));
            CHECK(loaded.logits() == original.logits());
            CHECK(snapshot_of(loaded.s) == bytes);
            for (int i = 0; i < 9; i++) {
                CHECK_EQ(original.eval(prompt[size_t(n + i)]), 0);
                CHECK_EQ(loaded.eval(prompt[size_t(n + i)]), 0);
                CHECK(loaded.logits() == original.logits());
            }
            const int end = n == 129 ? 300 : n + 25; // once past the end of a page and of a window
            CHECK_EQ(original.sync(first(prompt, end)), 0);
            CHECK_EQ(loaded.sync(first(prompt, end)), 0);
            CHECK(loaded.logits() == original.logits());
            CHECK(snapshot_of(loaded.s) == snapshot_of(original.s));
        }
    }
}

TEST(payload_does_not_depend_on_how_the_session_got_there) {
    const Model m;
    const std::vector<int> prompt = m.prompt(160);
    for (int n : {6, 133}) {
        Session straight(m, 512), back(m, 512), again(m, 512);
        CHECK_EQ(straight.sync(first(prompt, n)), 0);
        CHECK_EQ(back.sync(first(prompt, n + 5)), 0);
        ds4_session_rewind(back.s, n);
        CHECK_EQ(again.sync(prompt), 0);
        ds4_session_rewind(again.s, n);
        const Bytes bytes = snapshot_of(straight.s);
        CHECK(snapshot_of(back.s) == bytes);
        CHECK(snapshot_of(again.s) == bytes);
    }
}

TEST(payload_can_be_rewound_after_loading) {
    const Model m;
    const std::vector<int> prompt = m.prompt(170);
    Session source(m, 512);
    CHECK_EQ(source.sync(first(prompt, 134)), 0);
    const Bytes bytes = snapshot_of(source.s);
    for (int ahead : {0, 3, 20}) {
        for (int back : {1, 5, 9, 15}) {
            Session loaded(m, 512), fresh(m, 512);
            CHECK_EQ(load(loaded, bytes), 0);
            for (int i = 0; i < ahead; i++) CHECK_EQ(loaded.eval(prompt[size_t(134 + i)]), 0);
            const int to = 134 + ahead - back;
            ds4_session_rewind(loaded.s, to);
            CHECK_EQ(fresh.sync(first(prompt, to)), 0);
            for (int i = 0; i < 3; i++) {
                CHECK_EQ(loaded.eval(prompt[size_t(i)]), 0);
                CHECK_EQ(fresh.eval(prompt[size_t(i)]), 0);
                CHECK(loaded.logits() == fresh.logits());
            }
        }
    }
}

TEST(payload_goes_through_a_file_that_continues) {
    const Model m;
    Session s(m, 128), other(m, 128);
    CHECK_EQ(s.sync(m.prompt(77)), 0);
    std::FILE *file = std::tmpfile();
    std::fputs("head", file);
    char err[256] = "";
    CHECK_EQ(ds4_session_save_payload(s.s, file, err, sizeof err), 0);
    const uint64_t n = ds4_session_payload_bytes(s.s);
    CHECK_EQ(uint64_t(std::ftell(file)), 4 + n);
    std::fputs("tail", file);
    std::fseek(file, 4, SEEK_SET);
    Bytes bytes(n);
    CHECK_EQ(std::fread(bytes.data(), 1, n, file), size_t(n));
    CHECK(bytes == snapshot_of(s.s));
    std::fseek(file, 4, SEEK_SET);
    CHECK_EQ(ds4_session_load_payload(other.s, file, n, err, sizeof err), 0);
    CHECK_EQ(uint64_t(std::ftell(file)), 4 + n); // not read beyond
    CHECK(other.logits() == s.logits());
    std::fseek(file, 4, SEEK_SET);
    CHECK_EQ(ds4_session_load_payload(other.s, file, n + 4, err, sizeof err), 1);
    CHECK(!std::strcmp(err, "KV checkpoint has trailing payload bytes"));
    std::fseek(file, 8, SEEK_END);
    CHECK_EQ(ds4_session_load_payload(other.s, file, n, err, sizeof err), 1);
    CHECK(!std::strcmp(err, "failed to read session payload"));
    CHECK_EQ(ds4_session_pos(other.s), 77);
    std::fclose(file);
    std::FILE *read_only = std::fopen(model_path(), "rb");
    CHECK_EQ(ds4_session_save_payload(s.s, read_only, err, sizeof err), 1);
    CHECK(!std::strcmp(err, "failed to write session payload"));
    std::fclose(read_only);
}

TEST(payload_snapshot_buffers_are_reused) {
    const Model m;
    Session s(m, 64);
    char err[256] = "";
    ds4_session_snapshot snap{};
    CHECK_EQ(ds4_session_save_snapshot(s.s, &snap, err, sizeof err), 1);
    CHECK(!std::strcmp(err, "session has no valid checkpoint to snapshot"));
    CHECK(snap.ptr == nullptr);
    CHECK_EQ(ds4_session_save_payload(s.s, stdout, err, sizeof err), 1);
    CHECK(!std::strcmp(err, "session has no valid checkpoint to save"));
    CHECK_EQ(s.sync(m.prompt(40)), 0);
    CHECK_EQ(ds4_session_save_snapshot(s.s, &snap, err, sizeof err), 0);
    const uint64_t cap = snap.cap, len = snap.len;
    CHECK_EQ(s.sync(m.prompt(20)), 0);
    CHECK_EQ(ds4_session_save_snapshot(s.s, &snap, err, sizeof err), 0);
    CHECK(snap.cap == cap && snap.len < len);
    ds4_session_snapshot_free(&snap);
}

TEST(payload_header_is_the_classic_one) {
    const Model m;
    for (int ctx : {40, 3000}) {
        Session s(m, ctx);
        CHECK_EQ(s.sync(m.prompt(30)), 0);
        const Bytes b = snapshot_of(s.s);
        CHECK(!std::memcmp(b.data(), "DSV4", 4));
        CHECK_EQ(get(b, f_version), 1u);
        CHECK_EQ(get(b, f_ctx), uint32_t(ctx));
        CHECK_EQ(get(b, f_prefill_cap), uint32_t(ctx < 2048 ? ctx : 2048));
        CHECK_EQ(get(b, f_raw_cap), get(b, f_raw_window));
        CHECK_EQ(get(b, f_comp_cap), uint32_t(ctx / 4 + 2));
        CHECK_EQ(get(b, f_tokens), 30u);
        CHECK_EQ(get(b, f_vocab), uint32_t(m.n_vocab));
        CHECK_EQ(get(b, f_raw_live), std::min(30u, get(b, f_raw_window)));
        const std::vector<int> prompt = m.prompt(30);
        for (size_t i = 0; i < 30; i++) CHECK_EQ(get(b, n_fields + i), uint32_t(prompt[i]));
        const std::vector<float> l = s.logits();
        CHECK(!std::memcmp(b.data() + 4 * (n_fields + 30), l.data(), l.size() * sizeof(float)));
    }
}

TEST(payload_loads_into_another_context_by_the_classic_rules) {
    const Model m;
    Session small(m, 100), large(m, 2048);
    CHECK_EQ(small.sync(m.prompt(30)), 0);
    CHECK_EQ(large.sync(m.prompt(30)), 0);
    const Bytes from_small = snapshot_of(small.s), from_large = snapshot_of(large.s);
    Session same(m, 100), larger(m, 101), smaller(m, 99), huge(m, 100000);
    CHECK_EQ(load(same, from_small), 0);
    CHECK_EQ(load(larger, from_small), 1);
    CHECK_EQ(larger.error(), "KV checkpoint graph chunk layout does not match current runtime");
    CHECK_EQ(load(smaller, from_small), 1);
    CHECK_EQ(smaller.error(), "KV checkpoint does not fit current context");
    CHECK_EQ(load(huge, from_large), 0);
    CHECK(huge.logits() == large.logits());
    CHECK_EQ(huge.eval(m.prompt(1)[0]), 0);
    CHECK_EQ(large.eval(m.prompt(1)[0]), 0);
    CHECK(huge.logits() == large.logits());
}

TEST(payload_accepts_other_writers_empty_slots) {
    const Model m;
    Session s(m, 64), loaded(m, 64);
    CHECK_EQ(s.sync(m.prompt(6)), 0);
    Bytes b = snapshot_of(s.s);
    size_t replaced = 0;
    for (size_t i = n_fields + 6 + size_t(m.n_vocab); i < b.size() / 4; i++) {
        float x;
        std::memcpy(&x, b.data() + 4 * i, 4);
        if (x != -1e30f) continue;
        b = with_float(std::move(b), i, -std::numeric_limits<float>::infinity());
        replaced++;
    }
    CHECK(replaced > 0);
    CHECK_EQ(load(loaded, b), 0);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(s.eval(i), 0);
        CHECK_EQ(loaded.eval(i), 0);
        CHECK(loaded.logits() == s.logits());
    }
}

TEST(payload_damage_leaves_the_session_untouched) {
    const Model m;
    const int n = 150;
    Session source(m, 400), s(m, 400);
    CHECK_EQ(source.sync(m.prompt(n)), 0);
    const Bytes good = snapshot_of(source.s);
    const std::vector<int> own = first(m.prompt(200), 33);
    CHECK_EQ(s.sync(own), 0);
    const Bytes before = snapshot_of(s.s);
    const size_t layers = get(good, f_layers), logits_at = n_fields + n, counts_at = logits_at + size_t(m.n_vocab);
    const size_t rows_at = counts_at + 2 * layers;
    const float nan_value = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();

    struct Damage {
        Bytes bytes;
        const char *message;
    };
    std::vector<Damage> all = {
        {with(good, f_magic, get(good, f_magic) + 1), "unsupported session payload version"},
        {with(good, f_version, 0), "unsupported session payload version"},
        {with(good, f_version, 2), "unsupported session payload version"},
        {with(good, f_ctx, 401), "KV checkpoint does not fit current context"},
        {with(good, f_tokens, 400), "KV checkpoint does not fit current context"},
        {with(good, f_tokens, 0xffffffff), "KV checkpoint does not fit current context"},
        {with(good, f_prefill_cap, 399), "KV checkpoint graph chunk layout does not match current runtime"},
        {with(good, f_raw_window, get(good, f_raw_window) + 1),
         "KV checkpoint graph chunk layout does not match current runtime"},
        {with(good, f_raw_cap, 0), "KV checkpoint raw ring layout does not match current context"},
        {with(good, f_raw_cap, get(good, f_raw_live) - 1),
         "KV checkpoint raw ring layout does not match current context"},
        {with(good, f_raw_live, get(good, f_raw_live) - 1),
         "KV checkpoint raw ring layout does not match current context"},
        {with(good, f_raw_live, get(good, f_raw_live) + 1),
         "KV checkpoint raw ring layout does not match current context"},
        {with(good, f_comp_cap, get(good, f_comp_cap) + 1),
         "KV checkpoint compressed cache is larger than current context"},
        {with(good, n_fields, uint32_t(m.n_vocab)), "outside the vocabulary"},
        {with(good, n_fields + n - 1, 0xffffffff), "outside the vocabulary"},
        {with_float(good, logits_at, nan_value), "not finite"},
        {with_float(good, rows_at, inf), "not finite"},
        {with_float(good, rows_at + 5, nan_value), "not finite"},
    };
    for (size_t field : {f_layers, f_head_dim, f_idx_dim, f_vocab})
        for (int step : {-1, 1})
            all.push_back({with(good, field, get(good, field) + uint32_t(step)),
                           "KV checkpoint was written for a different DS4 layout"});
    for (size_t i = 0; i < 2 * layers; i++)
        for (uint32_t value : {get(good, counts_at + i) + 1, get(good, counts_at + i) - 1, 0x7fffffffu})
            all.push_back({with(good, counts_at + i, value), i < layers
                                                                 ? "KV checkpoint has invalid compressed row count"
                                                                 : "KV checkpoint has invalid indexer row count"});
    // Cut inside and at the end of every header field and section, and at many places in the rows.
    std::vector<size_t> cuts;
    for (size_t i = 0; i < n_fields; i++) cuts.insert(cuts.end(), {4 * i + 1, 4 * i + 4});
    for (size_t at : {size_t(n_fields) + 1, logits_at, logits_at + 1, counts_at, counts_at + layers, rows_at})
        cuts.insert(cuts.end(), {4 * at - 1, 4 * at, 4 * at + 1});
    for (size_t at = 4 * rows_at; at < good.size(); at += 4 + (good.size() - 4 * rows_at) / 40) cuts.push_back(at);
    cuts.push_back(good.size() - 1);
    for (size_t cut : cuts) all.push_back({Bytes(good.begin(), good.begin() + long(cut)), "truncated session payload"});
    Bytes longer = good;
    longer.push_back(0);
    all.push_back({longer, "KV checkpoint has trailing payload bytes"});

    for (const Damage &d : all) {
        CHECK_EQ(load(s, d.bytes), 1);
        if (s.error().find(d.message) == std::string::npos)
            check::report(__FILE__, __LINE__, "expected \"" + std::string(d.message) + "\", got \"" + s.error() + "\"");
        CHECK_EQ(ds4_session_pos(s.s), 33);
    }
    CHECK(snapshot_of(s.s) == before);
    Session fresh(m, 400);
    CHECK_EQ(fresh.sync(own), 0);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(s.eval(i), 0);
        CHECK_EQ(fresh.eval(i), 0);
        CHECK(s.logits() == fresh.logits());
    }
    CHECK_EQ(load(s, good), 0); // and still loads what is sound
    CHECK(s.logits() == source.logits());
}

TEST(payload_random_damage_never_corrupts_memory) {
    const Model m;
    Session source(m, 200), s(m, 200);
    CHECK_EQ(source.sync(m.prompt(90)), 0);
    const Bytes good = snapshot_of(source.s);
    const size_t head = 4 * (n_fields + 90 + size_t(m.n_vocab) + 2 * get(good, f_layers));
    uint64_t x = 88172645463325252u;
    for (int round = 0; round < 150; round++) {
        Bytes b = good;
        for (int i = 0; i < 1 + round % 3; i++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            b[size_t(x >> 8) % (round % 2 ? 4 * n_fields : head)] ^= uint8_t(1u << (x & 7));
        }
        if (round % 5 == 0) b.resize(size_t(x >> 20) % b.size() + 1);
        if (load(s, b) == 0) CHECK_EQ(s.eval(1), 0);
    }
}

TEST(payload_through_ds4x_is_the_same_bytes) {
    const Model m;
    const state_fixture::Model same(model_path());
    for (const int n : {1, 133, 300}) {
        Session classic(m, 512), loaded(m, 512);
        state_fixture::Session ours(same, 512), back(same, 512);
        const std::vector<int> prompt = m.prompt(n);
        CHECK_EQ(classic.sync(prompt), 0);
        const std::vector<float> logits = ours.eval(prompt, 0, uint32_t(n), 1)[0];
        const Bytes bytes = ours.save(DS4X_STATE_PAYLOAD, &logits);
        CHECK(bytes == snapshot_of(classic.s));
        CHECK_EQ(load(loaded, bytes), 0);
        CHECK(loaded.logits() == logits);
        std::vector<float> saved(logits.size());
        CHECK_EQ(back.load(DS4X_STATE_PAYLOAD, snapshot_of(classic.s), &saved), DS4X_OK);
        CHECK(saved == logits);
        CHECK_EQ(loaded.eval(7), 0);
        CHECK(back.eval({7}, 0, 1, 1)[0] == loaded.logits());
    }
}

TEST(payload_through_ds4x_refuses_with_the_right_code) {
    const state_fixture::Model m(model_path());
    state_fixture::Session source(m, 400), s(m, 400), smaller(m, 300);
    const std::vector<int32_t> prompt = m.prompt(150);
    const std::vector<float> logits = source.eval(prompt, 0, 150, 1)[0];
    const Bytes good = source.save(DS4X_STATE_PAYLOAD, &logits);
    s.sync(prompt, 33);
    const Bytes before = s.save(DS4X_STATE_PAGES);
    std::vector<float> untouched(logits.size(), 7);
    int32_t has = -1;
    const auto refuses = [&](const Bytes &b, int32_t code, const char *words) {
        CHECK_EQ(s.load(DS4X_STATE_PAYLOAD, b, &untouched, &has), code);
        CHECK(s.says(words));
    };
    refuses({}, DS4X_ERR_FORMAT, "truncated");
    refuses(with(good, f_version, 2), DS4X_ERR_FORMAT, "version");
    refuses(with(good, f_vocab, 1), DS4X_ERR_FORMAT, "different DS4 layout");
    refuses(with(good, f_ctx, 401), DS4X_ERR_CONTEXT, "does not fit");
    refuses(with(good, n_fields, uint32_t(m.info.n_vocab)), DS4X_ERR_FORMAT, "outside the vocabulary");
    const size_t rows_at = n_fields + 150 + logits.size() + 2 * get(good, f_layers);
    refuses(with_float(good, rows_at, std::numeric_limits<float>::infinity()), DS4X_ERR_FORMAT, "finite");
    for (size_t n = 0; n < good.size(); n += 1 + n / 7)
        refuses(Bytes(good.begin(), good.begin() + long(n)), DS4X_ERR_FORMAT, "truncated");
    CHECK_EQ(smaller.load(DS4X_STATE_PAYLOAD, good), DS4X_ERR_CONTEXT);
    CHECK(untouched == std::vector<float>(logits.size(), 7) && has == -1);
    CHECK(s.save(DS4X_STATE_PAGES) == before);
}
