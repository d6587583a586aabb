// SPDX-License-Identifier: Apache-2.0
#pragma once
// Schedules of CronJobs (five fields or @daily, github.com/robfig/cron) and names of time zones.

#include <string>
#include <string_view>

#include "cluster/kinds/path.h"
#include "cluster/kinds/report.h"

namespace pila::cluster::kinds {

std::string schedule_fault(std::string_view schedule);  // "": it is one
void check_time_zone(std::string_view zone, const Path& path, Report& report);

}  // namespace pila::cluster::kinds
