# Are these the runs of one results folder? Input: the lines of results.jsonl as raw strings; $host: host.json. Prints
# them as an array, or ends with an error that says which line is wrong and how.
# The lines are parsed before they are looked at: up to jq 1.6, try also catches errors that come after it.
$host[0] as $host | [inputs | try fromjson catch "broken"] | to_entries | map(
    (.key + 1) as $line | .value
    | if . == "broken" then error("line \($line) is broken or cut off")
      elif (type != "object") or (has("schema") | not) then error("line \($line) is no record of bench.sh")
      elif .schema != $host.schema then error("line \($line) has schema \(.schema), host.json has \($host.schema)")
      elif .machine != $host.machine then error("line \($line) was made by another run than host.json")
      elif [.id, .where, .began, .said] | all(type == "string") | not then error("line \($line) lacks a field")
      elif [.round, .seconds, .others_cpus, .steal, .status] | all(type == "number") | not then error("line \($line) lacks a number")
      elif (.records | type) != "array" then error("line \($line) lacks its records")
      else . end)
