// SPDX-License-Identifier: Apache-2.0
#include "cluster/table/json_path.h"

#include <charconv>
#include <optional>

#include <fmt/core.h>

#include "base/text.h"
#include "cluster/table/view_internal.h"

namespace pila::cluster::table {

class JsonPathReader {
public:
    explicit JsonPathReader(std::string_view text) : text_(text) {}

    Result<JsonPath> read() {
        if (!text_.starts_with('.')) return fail("a path begins with '.'");
        JsonPath path;
        if (text_ == ".") return path;
        while (at_ < text_.size()) {
            if (path.steps_.size() >= 64) return fail("more than 64 steps");
            path.steps_.push_back(TRY(step(path.steps_.empty())));
        }
        return path;
    }

private:
    using Step = JsonPath::Step;

    Error fail(std::string_view what) const {
        return Error(Errc::Invalid, fmt::format("JSONPath {}: {} at byte {}", json_quote(text_), what, at_));
    }
    bool take(std::string_view expected) {
        if (!text_.substr(at_).starts_with(expected)) return false;
        at_ += expected.size();
        return true;
    }
    void skip_spaces() {
        while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    }

    Result<Step> step(bool is_first) {
        if (take(".")) {
            if (is_first && take("[")) return bracket();  // .['x']
            Step made;
            if (take("*")) {
                made.what = Step::What::All;
                return made;
            }
            made.name = TRY(name("[]."));
            return made;
        }
        if (take("[")) return bracket();
        return fail("'.' or '[' expected");
    }

    // Up to one of `ends`; a backslash takes the next character as it is.
    Result<std::string> name(std::string_view ends) {
        std::string made;
        while (at_ < text_.size() && ends.find(text_[at_]) == ends.npos) {
            if (text_[at_] == '\\' && ++at_ == text_.size()) return fail("'\\' with nothing behind it");
            made += text_[at_++];
        }
        if (made.empty()) return fail("a name expected");
        return made;
    }

    Result<std::string> quoted() {
        char quote = text_[at_++];
        std::string made;
        while (at_ < text_.size() && text_[at_] != quote) {
            if (text_[at_] == '\\' && ++at_ == text_.size()) break;
            made += text_[at_++];
        }
        if (at_ >= text_.size()) return fail("the quotation does not end");
        ++at_;
        return made;
    }
    bool at_quote() const { return at_ < text_.size() && (text_[at_] == '\'' || text_[at_] == '"'); }

    Result<Step> bracket() {
        Step made;
        if (take("*")) {
            made.what = Step::What::All;
        } else if (take("?(")) {
            TRY(filter(made));
        } else if (at_quote()) {
            made.name = TRY(quoted());
        } else {
            made.what = Step::What::Index;
            auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), made.index);
            if (error != std::errc()) return fail("an index, a quoted name, '*' or a filter expected");
            at_ = static_cast<std::size_t>(end - text_.data());
        }
        if (!take("]")) return fail("']' expected");
        return made;
    }

    Result<void> filter(Step& made) {
        made.what = Step::What::Filter;
        skip_spaces();
        if (!take("@")) return fail("'@' expected");
        for (;;) {
            if (take("."))
                made.names.push_back(TRY(name("[.=!<> )")));
            else if (text_.substr(at_).starts_with("['") || text_.substr(at_).starts_with("[\""))
                made.names.push_back(TRY(quoted_member()));
            else
                break;
        }
        skip_spaces();
        if (take(")")) return {};
        made.comparison = TRY(comparison());
        skip_spaces();
        made.literal = TRY(literal());
        skip_spaces();
        if (!take(")")) return fail("')' expected");
        return {};
    }

    Result<std::string> quoted_member() {
        ++at_;
        auto made = TRY(quoted());
        if (!take("]")) return fail("']' expected");
        return made;
    }

    Result<JsonPath::Comparison> comparison() {
        using enum JsonPath::Comparison;
        constexpr std::pair<std::string_view, JsonPath::Comparison> known[] = {
            {"==", Equal}, {"!=", NotEqual}, {"<=", LessOrEqual}, {">=", GreaterOrEqual}, {"<", Less}, {">", Greater}};
        for (const auto& [text, what] : known)
            if (take(text)) return what;
        return fail("a comparison expected");
    }

    Result<JsonPath::Literal> literal() {
        if (at_quote()) return JsonPath::Literal(TRY(quoted()));
        if (take("true")) return JsonPath::Literal(true);
        if (take("false")) return JsonPath::Literal(false);
        double number = 0;
        auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), number);
        if (error != std::errc()) return fail("a quoted text, a number, true or false expected");
        at_ = static_cast<std::size_t>(end - text_.data());
        return JsonPath::Literal(number);
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

Result<JsonPath> JsonPath::parse(std::string_view text) { return JsonPathReader(text).read(); }

std::vector<std::string> JsonPath::names() const {
    std::vector<std::string> names;
    for (const auto& step : steps_) {
        if (step.what != Step::What::Name) return {};
        names.push_back(step.name);
    }
    return names;
}

const json::value* JsonPath::first(const json::value& root) const { return first(root, 0); }

const json::value* JsonPath::first(const json::value& value, std::size_t at) const {
    if (at == steps_.size()) return &value;
    const auto& step = steps_[at];
    View view(value);
    if (step.what == Step::What::Name) {
        auto member = view[step.name];
        return member ? first(*member.value(), at + 1) : nullptr;
    }
    const auto& list = view.list();
    if (step.what == Step::What::Index) {
        auto size = static_cast<std::int64_t>(list.size());
        auto index = step.index < 0 && step.index >= -size ? step.index + size : step.index;
        if (index < 0 || index >= size) return nullptr;
        return first(list[static_cast<std::size_t>(index)], at + 1);
    }
    for (const auto& element : list) {
        if (step.what == Step::What::Filter && !passes(step, element)) continue;
        if (const auto* found = first(element, at + 1)) return found;
    }
    if (step.what == Step::What::All)
        for (const auto& member : view.map())
            if (const auto* found = first(member.value(), at + 1)) return found;
    return nullptr;
}

// Values of different types are neither equal nor unequal: the element is left out.
bool JsonPath::passes(const Step& filter, const json::value& element) {
    View left(element);
    for (const auto& name : filter.names) left = left[name];
    if (!left) return false;
    if (filter.comparison == Comparison::Exists) return true;
    std::optional<std::partial_ordering> order;
    if (const auto* text = std::get_if<std::string>(&filter.literal)) {
        if (left.value()->is_string()) order = left.text() <=> std::string_view(*text);
    } else if (const auto* number = std::get_if<double>(&filter.literal)) {
        if (left.value()->is_number()) order = left.value()->to_number<double>() <=> *number;
    } else if (left.boolean()) {
        order = *left.boolean() <=> std::get<bool>(filter.literal);
    }
    if (!order) return false;
    switch (filter.comparison) {
        case Comparison::Equal: return *order == 0;
        case Comparison::NotEqual: return *order != 0;
        case Comparison::Less: return *order < 0;
        case Comparison::LessOrEqual: return *order <= 0;
        case Comparison::Greater: return *order > 0;
        default: return *order >= 0;
    }
}

}  // namespace pila::cluster::table
