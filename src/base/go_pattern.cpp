// SPDX-License-Identifier: Apache-2.0
#include "base/go_pattern.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/go_pattern_internal.h"

namespace pila {

namespace {

constexpr std::size_t most_steps = 20'000;           // matching takes up to as many for each character
constexpr std::size_t most_visits = 8 * most_steps;  // what is empty can be repeated, too
constexpr char32_t none = 0xFFFFFFFF;                // before the first and behind the last character

using Program = GoPattern::Program;
using Operation = Program::Operation;

class Builder {
public:
    bool build(const PatternTree& tree) {
        emit(tree);
        add(Operation::Match);
        return !is_too_large_;
    }
    Program take() { return std::move(program_); }

private:
    std::uint32_t here() const { return static_cast<std::uint32_t>(program_.steps.size()); }

    std::uint32_t add(Operation operation, std::uint32_t first = 0, std::uint32_t second = 0) {
        if (program_.steps.size() >= most_steps) {
            is_too_large_ = true;
            return 0;
        }
        program_.steps.push_back({operation, first, second});
        return here() - 1;
    }

    void emit(const PatternTree& tree) {
        is_too_large_ = is_too_large_ || ++visits_ > most_visits;
        if (is_too_large_) return;
        switch (tree.what) {
            case PatternTree::What::Empty: return;
            case PatternTree::What::Set:
                program_.sets.push_back(tree.set);
                add(Operation::Set, static_cast<std::uint32_t>(program_.sets.size() - 1));
                return;
            case PatternTree::What::Assert: add(Operation::Assert, static_cast<std::uint32_t>(tree.assertion)); return;
            case PatternTree::What::Sequence:
                for (const auto& part : tree.parts) emit(part);
                return;
            case PatternTree::What::Either: return either(tree);
            case PatternTree::What::Repeat: return repeat(tree);
        }
    }

    void either(const PatternTree& tree) {
        std::vector<std::uint32_t> ends;
        for (std::size_t index = 0; index + 1 < tree.parts.size() && !is_too_large_; ++index) {
            auto split = add(Operation::Split);
            program_.steps[split].first = here();
            emit(tree.parts[index]);
            ends.push_back(add(Operation::Jump));
            program_.steps[split].second = here();
        }
        if (!tree.parts.empty()) emit(tree.parts.back());
        for (auto end : ends) program_.steps[end].first = here();
    }

    void repeat(const PatternTree& tree) {
        const auto& part = tree.parts.front();
        for (int count = 0; count < tree.least && !is_too_large_; ++count) emit(part);
        if (tree.most < 0) {
            auto split = add(Operation::Split);
            program_.steps[split].first = here();
            emit(part);
            add(Operation::Jump, split);
            program_.steps[split].second = here();
            return;
        }
        std::vector<std::uint32_t> splits;
        for (int count = tree.least; count < tree.most && !is_too_large_; ++count) {
            splits.push_back(add(Operation::Split));
            program_.steps[splits.back()].first = here();
            emit(part);
        }
        for (auto split : splits) program_.steps[split].second = here();
    }

    Program program_;
    std::size_t visits_ = 0;
    bool is_too_large_ = false;
};

bool is_word(char32_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool holds(Assertion assertion, char32_t before, char32_t after) {
    switch (assertion) {
        case Assertion::TextStart: return before == none;
        case Assertion::TextEnd: return after == none;
        case Assertion::LineStart: return before == none || before == '\n';
        case Assertion::LineEnd: return after == none || after == '\n';
        case Assertion::WordBoundary: return is_word(before) != is_word(after);
        case Assertion::NoWordBoundary: return is_word(before) == is_word(after);
    }
    return false;
}

bool contains(const CharacterSet& set, char32_t c) {
    auto found = std::upper_bound(set.begin(), set.end(), c,
                                  [](char32_t wanted, const CharacterRange& range) { return wanted < range.first; });
    return found != set.begin() && c <= std::prev(found)->second;
}

// All places of the program at once, one character at a time (Thompson's way).
class Run {
public:
    explicit Run(const Program& program) : program_(program), marks_(program.steps.size(), 0) {}

    bool run(std::string_view text) {
        std::size_t at = 0;
        char32_t before = none;
        bool is_start = true;
        for (;;) {
            auto next = at;
            auto c = at < text.size() ? next_character(text, next) : none;
            ++round_;
            ready_.clear();
            for (auto place : waiting_)
                if (reach(place, before, c)) return true;
            if ((is_start || !program_.from_start_only) && reach(0, before, c)) return true;
            if (c == none || (ready_.empty() && program_.from_start_only)) return false;
            waiting_.clear();
            for (auto place : ready_)
                if (contains(program_.sets[program_.steps[place].first], c)) waiting_.push_back(place + 1);
            is_start = false;
            before = c;
            at = next;
        }
    }

private:
    // Follows what takes no character; true: the end of the program.
    bool reach(std::uint32_t from, char32_t before, char32_t after) {
        stack_.push_back(from);
        while (!stack_.empty()) {
            auto place = stack_.back();
            stack_.pop_back();
            if (marks_[place] == round_) continue;
            marks_[place] = round_;
            const auto& step = program_.steps[place];
            switch (step.operation) {
                case Operation::Match: stack_.clear(); return true;
                case Operation::Set: ready_.push_back(place); break;
                case Operation::Jump: stack_.push_back(step.first); break;
                case Operation::Split:
                    stack_.push_back(step.second);
                    stack_.push_back(step.first);
                    break;
                case Operation::Assert:
                    if (holds(static_cast<Assertion>(step.first), before, after)) stack_.push_back(place + 1);
                    break;
            }
        }
        return false;
    }

    const Program& program_;
    std::vector<std::size_t> marks_;  // the round in which a place was reached
    std::vector<std::uint32_t> waiting_, ready_, stack_;
    std::size_t round_ = 0;
};

}  // namespace

char32_t next_character(std::string_view text, std::size_t& at) {
    auto byte = [&](std::size_t index) { return static_cast<unsigned char>(text[index]); };
    auto first = byte(at++);
    if (first < 0x80) return first;
    std::size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
    if (first < 0xC2 || first > 0xF4 || at + more > text.size()) return 0xFFFD;
    char32_t c = first & (0x3FU >> more);
    for (std::size_t index = 0; index < more; ++index) {
        if ((byte(at + index) & 0xC0) != 0x80) return 0xFFFD;
        c = (c << 6) | (byte(at + index) & 0x3F);
    }
    at += more;
    return c;
}

Result<GoPattern> GoPattern::compile(std::string_view text) {
    auto tree = TRY(parse_go_pattern(text));
    Builder builder;
    if (!builder.build(tree))
        return Error(Errc::Invalid, fmt::format("error parsing regexp: expression too large: `{}`", text));
    auto program = std::make_shared<Program>(builder.take());
    const auto& start = program->steps.front();
    program->from_start_only =
        start.operation == Operation::Assert && start.first == static_cast<std::uint32_t>(Assertion::TextStart);
    return GoPattern(std::move(program));
}

bool GoPattern::matches(std::string_view text) const { return Run(*program_).run(text); }

}  // namespace pila
