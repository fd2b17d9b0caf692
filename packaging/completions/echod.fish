# fish completion for echod, its instances, its tools and its exporter; the options are the ones that --help names.
function __echod_options
	set -l words (commandline -opc)
	set -l command $words[1]

	string match -q '*=*' -- (commandline -ct); and return # a value
	if string match -qr '(^|/)echod-bench$' -- $words[1]; and contains -- "$words[2]" merge report
		set -a command $words[2]
	end
	$command --help 2>/dev/null | string replace -rf '^  (?:-., |    )(--[a-z0-9-]+=?)\S* +(.*)' '$1\t$2'
end

for program in echod echod-client echod-bench echod-stat echod-exporter
	complete -c $program -a '(__echod_options)'
end
complete -c echod-bench -n 'test (count (commandline -opc)) -eq 1' -a 'merge report'
complete -c echod-instances -f -a '--help reload 0'
