-- All chapters in one page: links between the files become links within it.
local function place(name)
	return name:match("^0(%d)%-") and "chapter-" .. name:match("^0(%d)%-") or name
end

function Header(header)
	if header.level == 1 then
		local text = pandoc.utils.stringify(header)
		header.identifier = text:match("^%d") and "chapter-" .. text:match("^%d") or
			(text == "For teachers" and "teacher" or "start")
	end
	return header
end

function Link(link)
	local name = link.target:match("^([%w-]+)%.md$")
	if name then
		link.target = "#" .. place(name == "README" and "start" or name)
	end
	return link
end
