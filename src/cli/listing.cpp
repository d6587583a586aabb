// SPDX-License-Identifier: Apache-2.0
#include "cli/listing.h"

#include <fmt/core.h>
#include <algorithm>

#include "base/text.h"
#include "cli/api.h"
#include "cli/streams.h"
#include "cli/table_writer.h"

namespace pila::cli {

namespace {

class LabelMethod : public TemplateMethods {
public:
    explicit LabelMethod(const json::object& labels) : labels_(labels) {}
    bool call(std::string_view name, const json::array& arguments, json::value& result) const override {
        if (name != "Label" || arguments.size() != 1 || !arguments[0].is_string()) return false;
        const auto* found = labels_.if_contains(arguments[0].get_string());
        result = found ? *found : json::value("");
        return true;
    }

private:
    const json::object& labels_;
};

std::string replaced(std::string text, std::string_view from, std::string_view to) {
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
        text.replace(at, from.size(), to);
    return text;
}

// Go's json.Marshal, which these rows go through there, writes < > & as \u003c and so on.
std::string escaped(std::string text) {
    return replaced(replaced(replaced(std::move(text), "<", "\\u003c"), ">", "\\u003e"), "&", "\\u0026");
}

}  // namespace

Listing::Listing(std::string_view format, std::string_view standard, std::vector<Column> columns)
    : columns_(std::move(columns)) {
    table_ = format.empty() || format == "table" || format.starts_with("table ");
    json_ = format == "json" || format == "{{json .}}" || format == "{{ json . }}";
    if (!table_)
        template_text_ = format;
    else if (format.size() > 6)
        template_text_ = trim(format.substr(6));
    else
        template_text_ = standard;
    template_text_ = replaced(replaced(template_text_, "\\t", "\t"), "\\n", "\n");
}

Result<std::string> Listing::text() const {
    std::string out;
    if (json_) {
        for (const auto& row : rows_) out += escaped(compact_json(row.columns)) + "\n";
        return out;
    }
    auto compiled = Template::parse(template_text_);
    if (!compiled) return std::move(compiled.take_error()).in("failed to parse template");
    if (table_) {
        json::object titles;
        for (const auto& column : columns_) titles[column.name] = column.title;
        TemplateOptions options{.header = true};
        TRY(compiled->execute(titles, out, options).in("failed to execute template"));
        out += '\n';
    }
    for (const auto& row : rows_) {
        LabelMethod method(row.labels);
        TemplateOptions options{.methods = &method, .type_name = type_};
        TRY(compiled->execute(row.columns, out, options).in("failed to execute template"));
        out += '\n';
    }
    return table_ ? align_columns(out) : out;
}

int Listing::print() const {
    auto whole = text();
    if (!whole) return fail(whole.error());
    std::fflush(stdout);
    auto written = write_fully(1, *whole);
    return written ? 0 : fail(written.error());
}

std::string label_text(const json::object& labels) {
    std::vector<std::string> parts;
    for (const auto& pair : labels) parts.push_back(std::string(pair.key()) + "=" + as_text(pair.value()));
    std::sort(parts.begin(), parts.end());
    return join(parts, ",");
}

bool natural_less(std::string_view one, std::string_view other) {
    auto digit = [](char c) { return c >= '0' && c <= '9'; };
    std::size_t i = 0, k = 0;
    while (i < one.size() && k < other.size()) {
        if (!digit(one[i]) || !digit(other[k])) {
            if (one[i] != other[k]) return one[i] < other[k];
            ++i, ++k;
            continue;
        }
        auto skip = [&](std::string_view text, std::size_t& at) {
            while (at + 1 < text.size() && text[at] == '0' && digit(text[at + 1])) ++at;
            auto begin = at;
            while (at < text.size() && digit(text[at])) ++at;
            return text.substr(begin, at - begin);
        };
        auto a = skip(one, i), b = skip(other, k);
        if (a.size() != b.size()) return a.size() < b.size();
        if (a != b) return a < b;
    }
    return one.size() - i < other.size() - k;
}

}  // namespace pila::cli
