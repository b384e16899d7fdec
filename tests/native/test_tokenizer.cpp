// The tokenizer: order of merges, added tokens, what plain text can not forge, odd bytes, long words, damaged tables.
#include "check.h"
#include "text/bpe.h"
#include "tokenizer_fixture.h"

#include <array>
#include <random>
#include <thread>

using namespace ds4;
using fixture::decode;
using fixture::encode;
using fixture::Vocabulary;
using Ids = std::vector<int32_t>;

TEST(tokenizer_merges_lowest_rank_first) {
    Vocabulary v;
    const int32_t bc = v.merge("b", "c");
    const int32_t ab = v.merge("a", "b");
    const int32_t abc = v.merge("ab", "c");
    const auto t = v.open();
    CHECK_EQ(encode(*t, "abc"), (Ids{'a', bc})); // though "abc" is a token, no sequence of merges makes it here
    CHECK_EQ(encode(*t, "abd"), (Ids{ab, 'd'}));
    CHECK_EQ(t->find("abc"), abc);
}

TEST(tokenizer_merges_leftmost_of_equal_ranks) {
    Vocabulary v;
    const int32_t aa = v.merge("a", "a");
    const int32_t aaaa = v.merge("aa", "aa");
    const auto t = v.open();
    CHECK_EQ(encode(*t, "aaa"), (Ids{aa, 'a'}));
    CHECK_EQ(encode(*t, "aaaaaaa"), (Ids{aaaa, aa, 'a'}));
    CHECK_EQ(encode(*t, std::string(103, 'a')).size(), size_t(25 + 2)); // long enough for the queue
}

TEST(tokenizer_of_equal_merges_and_texts_the_last_counts) {
    Vocabulary v;
    v.merge("a", "b");
    const int32_t bc = v.merge("b", "c");
    const int32_t again = v.add("ab", DS4X_TOKEN_NORMAL);
    const auto before = v.open();
    CHECK_EQ(encode(*before, "abc"), (Ids{again, 'c'}));
    v.merges.push_back("a b");
    CHECK_EQ(encode(*v.open(), "abc"), (Ids{'a', bc}));
}

// The definition, word for word: try every adjacent pair, merge the one of lowest rank, the leftmost of equals.
static Ids merge_slowly(const std::vector<std::array<int32_t, 3>> &merges, Ids ids) {
    for (;;) {
        size_t best = merges.size(), at = 0;
        for (size_t i = 0; i + 1 < ids.size(); i++) {
            for (size_t rank = 0; rank < best; rank++) {
                if (merges[rank][0] == ids[i] && merges[rank][1] == ids[i + 1]) {
                    best = rank;
                    at = i;
                }
            }
        }
        if (best == merges.size()) return ids;
        ids[at] = merges[best][2];
        ids.erase(ids.begin() + ptrdiff_t(at) + 1);
    }
}

TEST(tokenizer_scan_and_queue_merge_as_the_definition_says) {
    std::mt19937 random(7);
    for (int round = 0; round < 300; round++) {
        Bpe bpe;
        std::vector<std::array<int32_t, 3>> merges;
        int32_t n_ids = 3;
        for (int i = 0; i < 12; i++) {
            const int32_t left = int32_t(random() % uint32_t(n_ids)), right = int32_t(random() % uint32_t(n_ids));
            bool known = false;
            for (const auto &m : merges) known |= m[0] == left && m[1] == right;
            if (known) continue;
            bpe.add(left, right, uint32_t(merges.size()), n_ids);
            merges.push_back({left, right, n_ids++});
        }
        Ids ids(random() % 60);
        for (int32_t &id : ids) id = int32_t(random() % 3);
        const Ids expected = merge_slowly(merges, ids);
        Bpe::Scratch scan, queue;
        scan.ids = queue.ids = ids;
        bpe.merge_by_scan(scan);
        bpe.merge_by_queue(queue);
        CHECK_EQ(scan.ids, expected);
        CHECK_EQ(queue.ids, expected);
    }
}

TEST(tokenizer_queues_at_most_three_pairs_per_byte) {
    Bpe bpe;
    std::mt19937 random(3);
    int32_t n_ids = 4;
    for (uint32_t rank = 0; rank < 64; rank++) {
        bpe.add(int32_t(random() % uint32_t(n_ids)), int32_t(random() % uint32_t(n_ids)), rank, n_ids);
        n_ids++;
    }
    for (const uint32_t letters : {1u, 2u, 4u}) {
        Bpe::Scratch scratch;
        for (int i = 0; i < 1 << 20; i++) scratch.ids.push_back(int32_t(random() % letters));
        bpe.merge(scratch);
        CHECK(scratch.queued <= uint64_t(3) << 20);
    }
}

TEST(tokenizer_megabyte_inputs_come_back) {
    Vocabulary v;
    v.merge("a", "a");
    v.merge("aa", "aa");
    v.merge(" ", " ");
    v.merge("\n", "\n");
    v.merge("q", "x");
    v.add("<｜User｜>", DS4X_TOKEN_CONTROL);
    v.add("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", DS4X_TOKEN_USER);
    v.add("aba", DS4X_TOKEN_USER);
    const auto t = v.open();
    const size_t n = 1 << 20;
    std::string letters(n, 0), bytes(n, 0), breaks;
    std::mt19937 random(1);
    for (char &c : letters) c = char('a' + random() % 26);
    for (char &c : bytes) c = char(random());
    while (breaks.size() < n) breaks += " \n";
    for (const std::string &text :
         {letters, bytes, breaks, breaks + "a", std::string(n, 'a'), std::string(n, ' ') + "a",
          std::string(n, '\n') + " a", std::string(n, '\0'), std::string(n, '\xFF'), std::string(n, '7'),
          std::string(n, '='), std::string(n, '<')}) {
        CHECK(decode(*t, encode(*t, text, false)) == text);
        CHECK(decode(*t, encode(*t, text, true)) == text);
    }
}

TEST(tokenizer_keeps_nul_and_invalid_utf8) {
    Vocabulary v;
    v.merge("a", "b");
    const auto t = v.open();
    const std::string texts[] = {std::string("a\0b", 3),
                                 std::string(3, '\0'),
                                 "\xFF\xFE",
                                 "\xC3",
                                 "\xC3(",
                                 "\xE4\xB8",
                                 "\xED\xA0\x80",
                                 "\xC0\x80",
                                 "\xF4\x90\x80\x80",
                                 "\xF0\x9F\x98",
                                 "a\x80\x80z",
                                 "\xEF\xBD\x9C\xEF\xBD"};
    for (const std::string &text : texts) {
        CHECK(decode(*t, encode(*t, text)) == text);
        CHECK(decode(*t, encode(*t, text, true)) == text);
    }
    CHECK_EQ(encode(*t, "\xC3("), (Ids{0xC3, '('}));
}

TEST(tokenizer_takes_the_longest_added_token_at_the_leftmost_place) {
    Vocabulary v;
    const int32_t ab = v.add("ab", DS4X_TOKEN_USER);
    const int32_t abcd = v.add("abcd", DS4X_TOKEN_USER);
    const int32_t bcdefg = v.add("bcdefg", DS4X_TOKEN_USER);
    const int32_t spaced = v.add("two words\n", DS4X_TOKEN_USER);
    const auto t = v.open();
    CHECK_EQ(encode(*t, "abcdefg"), (Ids{abcd, 'e', 'f', 'g'}));
    CHECK_EQ(encode(*t, "abcxab"), (Ids{ab, 'c', 'x', ab}));
    CHECK_EQ(encode(*t, "bcdefgab"), (Ids{bcdefg, ab}));
    CHECK_EQ(encode(*t, "two words\n"), Ids{spaced});
    CHECK_EQ(encode(*t, "ababab", true), (Ids{ab, ab, ab}));
    CHECK_EQ(decode(*t, {spaced}), std::string("two words\n"));
}

TEST(tokenizer_pieces_next_to_an_added_token_do_not_see_across_it) {
    Vocabulary v;
    const int32_t two = v.merge(" ", " ");
    const int32_t tool = v.add("[tool]", DS4X_TOKEN_USER);
    const auto t = v.open();
    CHECK_EQ(encode(*t, "  [tool]"), (Ids{two, tool})); // the spaces end their text: one piece
    CHECK_EQ(encode(*t, "  [tool"), (Ids{' ', ' ', '[', 't', 'o', 'o', 'l'}));
}

// A vocabulary whose protocol literals carry this type, with merges that would spell "<think>" if they could.
static Vocabulary protocol_vocabulary(int32_t type) {
    Vocabulary v;
    v.merge("<", "t");
    v.merge("<t", "h");
    v.merge("i", "n");
    v.merge("in", "k");
    v.merge("<th", "ink");
    for (const char *text : {"<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>",
                             "<think>", "</think>", "｜DSML｜", "<｜latest_reminder｜>"}) {
        v.add(text, type);
    }
    v.merges.push_back("<think >");
    v.merges.push_back("i nk");
    return v;
}

TEST(tokenizer_finds_protocol_tokens_by_text_whatever_their_type) {
    for (const int32_t type : {DS4X_TOKEN_NORMAL, DS4X_TOKEN_CONTROL, DS4X_TOKEN_USER}) {
        const auto t = protocol_vocabulary(type).open();
        const int32_t first = t->bos();
        CHECK(first > 0);
        CHECK_EQ(t->eos(), first + 1);
        CHECK_EQ(t->user(), first + 2);
        CHECK_EQ(t->assistant(), first + 3);
        CHECK_EQ(t->think_open(), first + 4);
        CHECK_EQ(t->think_close(), first + 5);
        CHECK_EQ(t->dsml(), first + 6);
        CHECK_EQ(t->kind(first), type);
        CHECK_EQ(encode(*t, "<｜User｜>a</think><｜DSML｜a", true),
                 (Ids{t->user(), 'a', t->think_close(), '<', t->dsml(), 'a'}));
    }
    const auto bare = Vocabulary().open();
    CHECK_EQ(bare->bos(), -1);
    CHECK_EQ(bare->eos(), -1);
    CHECK_EQ(bare->user(), -1);
    CHECK_EQ(bare->assistant(), -1);
    CHECK_EQ(bare->think_open(), -1);
    CHECK_EQ(bare->think_close(), -1);
    CHECK_EQ(bare->dsml(), -1);
}

TEST(tokenizer_plain_text_forges_no_protocol_token) {
    for (const int32_t type : {DS4X_TOKEN_NORMAL, DS4X_TOKEN_CONTROL, DS4X_TOKEN_USER}) {
        const auto t = protocol_vocabulary(type).open();
        const int32_t first = t->bos(), last = t->find("<｜latest_reminder｜>");
        for (int32_t id = first; id <= last; id++) {
            const std::string text(t->bytes(id));
            for (int32_t got : encode(*t, text)) CHECK(got < first);
            CHECK_EQ(decode(*t, encode(*t, text)), text);
            CHECK_EQ(encode(*t, text, true), Ids{id});
        }
    }
}

TEST(tokenizer_no_merge_yields_a_control_or_protocol_token) {
    // "think" and "ok" lie within one piece, so only the dropped merge stands between the text and the token.
    Vocabulary v;
    v.merge("o", "k");
    v.types.back() = DS4X_TOKEN_CONTROL;
    const int32_t ok = int32_t(v.tokens.size()) - 1;
    const auto t = v.open();
    CHECK_EQ(encode(*t, "ok"), (Ids{'o', 'k'}));
    CHECK_EQ(encode(*t, "ok", true), Ids{ok});
}

TEST(tokenizer_decodes_by_the_alphabet_or_literally) {
    Vocabulary v;
    const int32_t space_a = v.merge(" ", "a");
    const int32_t user = v.add("\xC4\xA0", DS4X_TOKEN_USER); // U+0120: means a space in the alphabet, itself here
    const int32_t bar = v.add("｜x｜", DS4X_TOKEN_NORMAL);
    const int32_t empty = v.add("", DS4X_TOKEN_NORMAL);
    const auto t = v.open();
    CHECK_EQ(t->bytes(space_a), std::string_view(" a"));
    CHECK_EQ(t->text(space_a), std::string_view("\xC4\xA0"
                                                "a"));
    CHECK_EQ(t->bytes(user), std::string_view("\xC4\xA0"));
    CHECK_EQ(t->bytes(bar), std::string_view("｜x｜"));
    CHECK_EQ(t->bytes(empty), std::string_view());
    CHECK_EQ(t->bytes('\n'), std::string_view("\n"));
    CHECK_EQ(t->find("\xC4\xA0"
                     "a"),
             space_a);
    CHECK_EQ(t->find(" a"), space_a);
    CHECK_EQ(t->find("nowhere"), -1);
    CHECK_EQ(t->find(""), -1);
    CHECK_EQ(t->size(), size_t(empty) + 1);
    for (const int32_t id : {-1, INT32_MIN, empty + 1, INT32_MAX}) {
        CHECK_EQ(t->bytes(id), std::string_view());
        CHECK_EQ(t->text(id), std::string_view());
        CHECK_EQ(t->kind(id), 0);
    }
    CHECK_EQ(encode(*t, " "), Ids{' '}); // not the user-defined token that is written like a space
    CHECK_EQ(encode(*t, "\xC4\xA0"), Ids{user});
}

TEST(tokenizer_appends_to_the_output) {
    const auto t = Vocabulary().open();
    Ids ids{42};
    t->encode("ab", false, ids);
    t->encode("", true, ids);
    CHECK_EQ(ids, (Ids{42, 'a', 'b'}));
}

TEST(tokenizer_repeated_words_in_a_long_text_are_encoded_alike) {
    Vocabulary v;
    v.merge("l", "o");
    v.merge(" ", "h");
    const auto t = v.open();
    const Ids once = encode(*t, " hello there");
    std::string text;
    Ids expected;
    for (int i = 0; i < 1000; i++) {
        text += " hello there";
        expected.insert(expected.end(), once.begin(), once.end());
    }
    CHECK(encode(*t, text) == expected);
}

TEST(tokenizer_serves_threads_at_once) {
    Vocabulary v;
    v.merge("l", "o");
    v.add("user token", DS4X_TOKEN_USER);
    const auto t = v.open();
    std::string text;
    for (int i = 0; i < 2000; i++) text += "hello user token " + std::to_string(i);
    const Ids expected = encode(*t, text);
    std::vector<Ids> got(4);
    std::vector<std::thread> threads;
    for (Ids &ids : got) threads.emplace_back([&] { ids = encode(*t, text); });
    for (std::thread &thread : threads) thread.join();
    for (const Ids &ids : got) CHECK(ids == expected);
}

TEST(tokenizer_refuses_damaged_tables) {
    Vocabulary v;
    v.merge("a", "b");
    const auto with = [&](auto change) {
        Vocabulary changed = v;
        change(changed);
        changed.open();
    };
    CHECK_ERROR(with([](Vocabulary &x) { x.tokens['A'] = "B"; }), DS4X_ERR_MODEL, "byte 0x41");
    CHECK_ERROR(with([](Vocabulary &x) { x.types['A'] = DS4X_TOKEN_CONTROL; }), DS4X_ERR_MODEL, "byte 0x41");
    CHECK_ERROR(with([](Vocabulary &x) { x.tokens.clear(), x.types.clear(); }), DS4X_ERR_MODEL, "byte 0x00");
    CHECK_ERROR(with([](Vocabulary &x) { x.types.pop_back(); }), DS4X_ERR_MODEL, "token_type has 256 items for 257");
    CHECK_ERROR(with([](Vocabulary &x) { x.types[5] = 7; }), DS4X_ERR_MODEL, "token_type[5] is 7");
    CHECK_ERROR(with([](Vocabulary &x) { x.types[5] = -1; }), DS4X_ERR_MODEL, "token_type[5] is -1");
    for (const char *merge : {"", " ", "ab", "a ", " b"}) {
        CHECK_ERROR(with([&](Vocabulary &x) { x.merges[0] = merge; }), DS4X_ERR_MODEL, "merges[0]");
    }
}

TEST(tokenizer_leaves_out_merges_of_unknown_texts) {
    Vocabulary v;
    v.merges = {"a zz", "zz a", "a b", "a b c", "\xFF \xFE", "b c"};
    const int32_t bc = v.add("bc", DS4X_TOKEN_NORMAL); // "ab" is no token
    const auto t = v.open();
    CHECK_EQ(encode(*t, "abc"), (Ids{'a', bc}));
    v.types.clear(); // a file without types: all normal
    CHECK_EQ(encode(*v.open(), "abc"), (Ids{'a', bc}));
}
